# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a model, and checks that adze-rotate left what it computes.

    rotate.py make FOLDER            model.mlir, weights.json, weights.bin
    rotate.py check FOLDER MODULE    that both compute the same, in float64

Its head is the embedding, behind two norms of different weights; one of them is shown.
The names that new weights would get are there already.
"""
import json
import os
import re
import sys

import numpy as np

HIDDEN, WORDS = 32, 40
SHAPES = {"emb": (WORDS, HIDDEN), "w": (HIDDEN, HIDDEN), "n": (HIDDEN,),
          "emb.head": (HIDDEN, HIDDEN), "n.shown": (HIDDEN,), "ones": (HIDDEN,)}
WEIGHTS = "\n".join(
    f'  adze.weight @{name} from "{name}.weight" : '
    f'!adze.weight<{"x".join(map(str, shape))}, #adze.float<f32>>'
    for name, shape in SHAPES.items())
MODULE = f"""module attributes {{adze.table = "weights.json"}} {{
{WEIGHTS}
  func.func @f(%t: tensor<?xi32>) -> (tensor<?x{WORDS}xf32>, tensor<?x{WORDS}xf32>, tensor<?x32xf32>) {{
    %0 = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %1 = adze.rms_norm %0, @n.shown eps 1.0e-5 : tensor<?x32xf32>
    %2 = adze.linear %1, @emb.head : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %3 = arith.mulf %2, %2 : tensor<?x32xf32>
    %4 = adze.linear %3, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %5 = arith.addf %0, %4 : tensor<?x32xf32>
    %6 = adze.rms_norm %5, @n eps 1.0e-5 : tensor<?x32xf32>
    %7 = adze.linear %6, @emb : (tensor<?x32xf32>) -> tensor<?x{WORDS}xf32>
    %8 = adze.rms_norm %5, @ones eps 1.0e-5 : tensor<?x32xf32>
    %9 = adze.linear %8, @emb : (tensor<?x32xf32>) -> tensor<?x{WORDS}xf32>
    return %7, %9, %6 : tensor<?x{WORDS}xf32>, tensor<?x{WORDS}xf32>, tensor<?x32xf32>
  }}
}}
"""


def make(folder):
    rng = np.random.default_rng(7)
    os.makedirs(folder)
    entries = {}
    with open(os.path.join(folder, "weights.bin"), "wb") as file:
        for name, shape in SHAPES.items():
            value = rng.normal(0, shape[-1] ** -0.5, shape).astype(np.float32)
            entries[name + ".weight"] = {
                "file": "weights.bin", "offset": file.tell(), "dtype": "f32",
                "shape": list(shape), "bytes": value.nbytes}
            file.write(value.tobytes())
    with open(os.path.join(folder, "weights.json"), "w") as file:
        json.dump({"version": 1, "tensors": entries}, file)
    with open(os.path.join(folder, "model.mlir"), "w") as file:
        file.write(MODULE)


def run(module, tokens):
    text = open(module).read()
    path = os.path.join(os.path.dirname(module), re.search(r'adze.table = "(.*?)"', text)[1])
    tensors = json.load(open(path))["tensors"]
    sources = dict(re.findall(r'adze.weight @(\S+) from "(\S+)"', text))

    def read(symbol):
        entry = tensors[sources[symbol]]
        values = np.fromfile(os.path.join(os.path.dirname(path), entry["file"]), np.float32,
                             int(np.prod(entry["shape"])), offset=entry["offset"])
        return values.reshape(entry["shape"]).astype(np.float64)

    values = {}
    for result, op, rest in re.findall(r"(%\w+) = (\S+) ([^:]*)", text):
        x = [values[name] for name in re.findall(r"%\w+", rest) if name in values]
        w = [read(name) for name in re.findall(r"@([\w.]+)", rest)]
        if op == "adze.embed":
            values[result] = w[0][tokens]
        elif op == "adze.linear":
            values[result] = x[0] @ w[0].T
        elif op == "adze.rms_norm":
            values[result] = x[0] / np.sqrt((x[0] ** 2).mean(axis=1, keepdims=True) + 1e-5) * w[0]
        else:
            values[result] = {"arith.addf": np.add, "arith.mulf": np.multiply}[op](*x)
    return [values[name] for name in re.findall(r"%\w+", re.search(r"return ([^:]*)", text)[1])]


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    tokens = np.arange(0, WORDS, 3)
    before = run(os.path.join(sys.argv[2], "model.mlir"), tokens)
    for a, b in zip(before, run(sys.argv[3], tokens), strict=True):
        error = abs(a - b).max() / abs(a).max()
        assert error < 1e-6, error
    print(f"{len(before)} results are the same")
