# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a model with dead structure, and checks what adze-remove-dead made of it.

    dead.py make FOLDER [CASE]     model.mlir, weights.json, weights.bin
    dead.py check FOLDER MODULE    that both compute the same, in float64

Three layers of 8 heads in 4 groups and 96 neurons. Zeros: in columns of `down` and in
rows of `up` (with its bias), in columns of `o` and in rows of `v`, other ones in each
layer. CASE `alike` leaves as many in each layer; `layer` has a layer that adds nothing;
in `shared` two functions have the weights.
"""
import json
import os
import re
import sys

import numpy as np

HIDDEN, SIZE, HEADS, GROUPS, INNER, LAYERS = 32, 8, 8, 4, 96, 3
SHAPES = {
    "n1": (HIDDEN,), "q": (HEADS * SIZE, HIDDEN), "k": (GROUPS * SIZE, HIDDEN),
    "v": (GROUPS * SIZE, HIDDEN), "qb": (HEADS * SIZE,), "vb": (GROUPS * SIZE,), "qn": (SIZE,),
    "o": (HIDDEN, HEADS * SIZE), "n2": (HIDDEN,), "gate": (INNER, HIDDEN), "up": (INNER, HIDDEN),
    "ub": (INNER,), "down": (HIDDEN, INNER)}

WEIGHTS = "\n".join(
    f'  adze.weight @l.{name} from "layers.{{}}.{name}.weight" x {LAYERS} : '
    f'!adze.weight<{"x".join(map(str, shape))}, #adze.float<f32>>'
    for name, shape in SHAPES.items())
MODULE = f"""// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
module attributes {{adze.table = "weights.json",
    adze.meta = "{{\\22heads\\22:8,\\22intermediate\\22:96,\\22kv_heads\\22:4,\\22layers\\22:3}}"}} {{
{WEIGHTS}
  adze.state @kv x 3 : !adze.kv<4x8xf32>
  func.func private @layer(%l: index, %x: tensor<?x32xf32>, %r: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x32xf32> {{
    %n1 = adze.rms_norm %x, @l.n1[%l] eps 1.0e-5 : tensor<?x32xf32>
    %q = adze.linear %n1, @l.q[%l] bias @l.qb : (tensor<?x32xf32>) -> tensor<?x64xf32>
    %k = adze.linear %n1, @l.k[%l] : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %v = adze.linear %n1, @l.v[%l] bias @l.vb : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %qn = adze.rms_norm %q, @l.qn[%l] eps 1.0e-5 heads 8 : tensor<?x64xf32>
    %qr = adze.rotary %qn, %r heads 8 half : tensor<?x64xf32>, tensor<?x8xf32>
    %kr = adze.rotary %k, %r heads 4 half : tensor<?x32xf32>, tensor<?x8xf32>
    %a = adze.attention %qr, %kr, %v cache @kv[%l] at %b heads 8 kv_heads 4
      scale 0.35 mask <causal> : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>
    %o = adze.linear %a, @l.o[%l] : (tensor<?x64xf32>) -> tensor<?x32xf32>
    %h = arith.addf %x, %o : tensor<?x32xf32>
    %n2 = adze.rms_norm %h, @l.n2[%l] eps 1.0e-5 : tensor<?x32xf32>
    %g = adze.linear %n2, @l.gate[%l] : (tensor<?x32xf32>) -> tensor<?x96xf32>
    %u = adze.linear %n2, @l.up[%l] bias @l.ub : (tensor<?x32xf32>) -> tensor<?x96xf32>
    %s = adze.silu %g : tensor<?x96xf32>
    %m = arith.mulf %s, %u : tensor<?x96xf32>
    %d = adze.linear %m, @l.down[%l] : (tensor<?x96xf32>) -> tensor<?x32xf32>
    %y = arith.addf %h, %d : tensor<?x32xf32>
    return %y : tensor<?x32xf32>
  }}
  func.func @step(%x: tensor<?x32xf32>, %b: !adze.batch) -> tensor<?x32xf32> attributes {{adze.entry}} {{
    %r = adze.rotary_table %b freqs [1.0, 0.5, 0.25, 0.125] : tensor<?x8xf32>
    %y = adze.repeat 3 @layer(%x, %r, %b) : (tensor<?x32xf32>, tensor<?x8xf32>, !adze.batch) -> tensor<?x32xf32>
    return %y : tensor<?x32xf32>
  }}
}}
"""


def make(folder, case):
    rng = np.random.default_rng(7)
    os.makedirs(folder, exist_ok=True)
    weights = {}
    for layer in range(LAYERS):
        for name, shape in SHAPES.items():
            scale = 1 if len(shape) == 1 else shape[1] ** -0.5
            weights[layer, name] = rng.normal(0, scale, shape).astype(np.float32)
    head = lambda *heads: [h * SIZE + i for h in heads for i in range(SIZE)]
    # Neurons: 40 by down; 30 by up and 10 more by down; 6.
    weights[0, "down"][:, 0:40] = 0
    weights[1, "up"][50:80] = 0
    weights[1, "ub"][50:80] = 0
    weights[1, "up"][90:96] = 0  # with a bias: not zero
    weights[1, "down"][:, 0:10] = 0
    weights[2, "down"][:, 3:9] = 0
    if case == "alike":
        weights[2, "down"][:, 9:43] = 0
        weights[1, "o"][:, head(6)] = 0
    # A head of each group, and a whole group, by o or by v. Layer 1 needs both heads
    # of the last group, and has two whole groups that are dead.
    for layer, dead in enumerate(([0, 3, 5, 6, 7], [1, 2, 3, 5], [0, 2, 4])):
        weights[layer, "o"][:, head(*dead)] = 0
    for layer, group in ((1, 0), (2, 3)):
        weights[layer, "v"][head(group)] = 0
        weights[layer, "vb"][head(group)] = 0
    if case == "layer":
        weights[1, "o"][:] = 0
        weights[1, "down"][:] = 0
    entries, offset = {}, 0
    with open(os.path.join(folder, "weights.bin"), "wb") as file:
        for (layer, name), value in weights.items():
            entries[f"layers.{layer}.{name}.weight"] = {
                "file": "weights.bin", "offset": offset, "dtype": "f32",
                "shape": list(value.shape), "bytes": value.nbytes}
            offset += file.write(value.tobytes())
    with open(os.path.join(folder, "weights.json"), "w") as file:
        json.dump({"version": 1, "tensors": entries}, file)
    module = MODULE
    if case == "shared":
        kind = re.search(r"  func.func private @layer\(.*?\n  }\n", module, re.S)[0]
        module = module.replace(kind, kind + kind.replace("@layer(", "@other("))
        repeat = re.search(r"    %y = adze.repeat 3 @layer\(%x(.*)\n", module)
        module = module.replace(
            repeat[0], f"    %h = adze.repeat 2 @layer(%x{repeat[1]}\n"
            f"    %y = adze.repeat 1 from 2 @other(%h{repeat[1]}\n")
    with open(os.path.join(folder, "model.mlir"), "w") as file:
        file.write(module)


def norm(x, w):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5) * w


def layer_of(x, w):
    """One layer, with the sizes that its weights have."""
    tokens = len(x)
    heads, groups = len(w["q"]) // SIZE, len(w["k"]) // SIZE
    n = norm(x, w["n1"])
    q = norm((n @ w["q"].T + w["qb"]).reshape(tokens, heads, SIZE), w["qn"])
    k = (n @ w["k"].T).reshape(tokens, groups, SIZE)
    v = (n @ w["v"].T + w["vb"]).reshape(tokens, groups, SIZE)
    angles = np.arange(tokens)[:, None] * np.array([1.0, 0.5, 0.25, 0.125])
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    half = SIZE // 2
    turn = lambda y: np.concatenate(
        [y[..., :half] * c - y[..., half:] * s, y[..., half:] * c + y[..., :half] * s], axis=-1)
    q, k = turn(q), turn(k)
    out = np.zeros((tokens, heads, SIZE))
    for h in range(heads):
        g = h // (heads // groups)
        scores = 0.35 * q[:, h] @ k[:, g].T
        scores[np.triu_indices(tokens, 1)] = -np.inf
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, h] = p / p.sum(axis=1, keepdims=True) @ v[:, g]
    x = x + out.reshape(tokens, -1) @ w["o"].T
    n = norm(x, w["n2"])
    g = n @ w["gate"].T
    return x + (g / (1 + np.exp(-g)) * (n @ w["up"].T + w["ub"])) @ w["down"].T


def run(module, x):
    text = open(module).read()
    path = os.path.join(os.path.dirname(module), re.search(r'adze.table = "(.*?)"', text)[1])
    tensors = json.load(open(path))["tensors"]
    sources = {}  # symbol -> source
    for symbol, source in re.findall(r'adze.weight @(\S+) from "(\S+)"', text):
        sources[symbol] = source

    def read(symbol, layer):
        entry = tensors[sources[symbol].replace("{}", str(layer))]
        file = os.path.join(os.path.dirname(path), entry["file"])
        count = int(np.prod(entry["shape"]))
        values = np.fromfile(file, np.float32, count, offset=entry["offset"])
        return values.reshape(entry["shape"]).astype(np.float64)

    for count, first, kind in re.findall(r"adze.repeat (\d+)(?: from (\d+))? @(\S+?)\(", text):
        body = re.search(r"func.func private @" + re.escape(kind) + r"\(.*?\n  }", text, re.S)[0]
        symbols = sorted(set(re.findall(r"@(l\.[\w.]+)", body)))
        for layer in range(int(first or 0), int(first or 0) + int(count)):
            x = layer_of(x, {symbol.split(".")[1]: read(symbol, layer) for symbol in symbols})
    return x


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
else:
    x = np.random.default_rng(1).normal(size=(11, HIDDEN))
    expected = run(os.path.join(sys.argv[2], "model.mlir"), x)
    error = abs(run(sys.argv[3], x) - expected).max() / abs(expected).max()
    print(f"error {error:.3g}")
    assert error < 1e-13, error
