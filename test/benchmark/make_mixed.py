#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A decoder as .mlir with a weight table, whose layers differ or do not.

    python3 test/benchmark/make_mixed.py --layers 32 OUT.mlir
    python3 test/benchmark/make_mixed.py --layers 32 --uniform OUT.mlir

Layers have the shapes of a Llama model; in the mixed one each layer has an
intermediate size and a weight format (f32, bf16, f16 in turn) of its own, as
pruning and mixed precision leave them. Code generation should hardly notice.
All tensors are windows of one small file of random values, so the table can be
written for any size. Standard library only.
"""

import argparse
import json
import random
import struct
from pathlib import Path

WIDTH = {"f32": 4, "bf16": 2, "f16": 2}


def words(dtype, count, seed):
    """`count` random values around 0.02, as the type stores them."""
    rng = random.Random(seed)
    values = [rng.gauss(0, 0.02) for _ in range(4096)]
    if dtype == "f32":
        unit = struct.pack(f"<{len(values)}f", *values)
    elif dtype == "f16":
        unit = struct.pack(f"<{len(values)}e", *values)
    else:
        unit = b"".join(struct.pack("<f", v)[2:] for v in values)
    size = count * WIDTH[dtype]
    return (unit * (size // len(unit) + 1))[:size]


class Model:
    def __init__(self, a):
        self.a = a
        self.weights, self.tensors, self.most = [], {}, {}

    def weight(self, symbol, source, shape, dtype, layers=""):
        text = "x".join(map(str, shape))
        self.weights.append(f'  adze.weight @{symbol} from "{source}"{layers} '
                            f": !adze.weight<{text}, #adze.float<{dtype}>>")

    def tensor(self, name, shape, dtype):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        self.most[dtype] = max(self.most.get(dtype, 0), count)
        self.tensors[name] = (dtype, list(shape), count * WIDTH[dtype])

    def layer_shapes(self, inner):
        a = self.a
        kv = a.kv_heads * a.head_dim
        return {"q": (a.heads * a.head_dim, a.hidden), "k": (kv, a.hidden),
                "v": (kv, a.hidden), "o": (a.hidden, a.heads * a.head_dim),
                "gate": (inner, a.hidden), "up": (inner, a.hidden),
                "down": (a.hidden, inner)}

    def kind(self, name, layers, inner, dtype):
        """The weights and the function of the layers `layers`."""
        a = self.a
        suffix = f" layers {list(layers)}"
        for slot, shape in self.layer_shapes(inner).items():
            self.weight(f"{name}.{slot}", "l.{}." + slot, shape, dtype, suffix)
            for i in layers:
                self.tensor(f"l.{i}.{slot}", shape, dtype)
        x, m = f"tensor<?x{a.hidden}xf32>", f"tensor<?x{inner}xf32>"
        q = f"tensor<?x{a.heads * a.head_dim}xf32>"
        k = f"tensor<?x{a.kv_heads * a.head_dim}xf32>"
        r = f"tensor<?x{a.head_dim}xf32>"

        def linear(result, source, slot, types):
            return (f"    {result} = adze.linear {source}, @{name}.{slot}[%l] "
                    f": ({types[0]}) -> {types[1]}")
        lines = [
            f"  func.func private @{name}(%l: index, %x: {x}, %r: {r}, "
            f"%b: !adze.batch) -> {x} {{",
            f"    %n = adze.rms_norm %x, @n1[%l] eps 1.0e-5 : {x}",
            linear("%q", "%n", "q", (x, q)), linear("%k", "%n", "k", (x, k)),
            linear("%v", "%n", "v", (x, k)),
            f"    %qr = adze.rotary %q, %r heads {a.heads} half : {q}, {r}",
            f"    %kr = adze.rotary %k, %r heads {a.kv_heads} half : {k}, {r}",
            f"    %a = adze.attention %qr, %kr, %v cache @kv[%l] at %b "
            f"heads {a.heads} kv_heads {a.kv_heads} "
            f"scale {a.head_dim ** -0.5:.17g} mask <causal> : {q}, {k}, {k}",
            linear("%o", "%a", "o", (q, x)),
            f"    %x1 = arith.addf %x, %o : {x}",
            f"    %n2 = adze.rms_norm %x1, @n2[%l] eps 1.0e-5 : {x}",
            linear("%g", "%n2", "gate", (x, m)),
            linear("%u", "%n2", "up", (x, m)),
            f"    %s = adze.silu %g : {m}",
            f"    %p = arith.mulf %s, %u : {m}",
            linear("%d", "%p", "down", (m, x)),
            f"    %y = arith.addf %x1, %d : {x}",
            f"    return %y : {x}", "  }"]
        return "\n".join(lines)

    def text(self, table):
        a = self.a
        norm = [a.hidden]
        self.weight("emb", "emb", (a.vocabulary, a.hidden), "bf16")
        self.tensor("emb", (a.vocabulary, a.hidden), "bf16")
        for name in ("n1", "n2"):
            self.weight(name, "l.{}." + name, norm, "f32", f" x {a.layers}")
            for i in range(a.layers):
                self.tensor(f"l.{i}.{name}", norm, "f32")
        self.weight("norm", "norm", norm, "f32")
        self.tensor("norm", norm, "f32")
        kinds, calls = [], []
        x, r = f"tensor<?x{a.hidden}xf32>", f"tensor<?x{a.head_dim}xf32>"

        def repeat(index, count, name):
            calls.append(
                f"    %h{len(calls) + 1} = adze.repeat {count}"
                + (f" from {index}" if index else "")
                + f" @{name}(%h{len(calls)}, %r, %b) : ({x}, {r}, "
                f"!adze.batch) -> {x}")
        if a.uniform:
            kinds.append(self.kind("l", range(a.layers), a.inner, "bf16"))
            repeat(0, a.layers, "l")
        else:
            for i in range(a.layers):
                inner = a.inner - 16 * i
                dtype = ("bf16", "f16", "f32")[i % 3]
                kinds.append(self.kind(f"l{i}", [i], inner, dtype))
                repeat(i, 1, f"l{i}")
        freqs = ", ".join(f"{10000 ** (-2 * i / a.head_dim):.17e}"
                          for i in range(a.head_dim // 2))
        logits = f"tensor<?x{a.vocabulary}xf32>"
        entry = [
            '  func.func @step(%t: tensor<?xi32> {adze.name = "tokens"}, '
            '%b: !adze.batch, %rows: tensor<?xi32> {adze.name = "rows"}) -> '
            f'({logits} {{adze.name = "logits"}}) attributes {{adze.entry}} {{',
            f"    %h0 = adze.embed %t, @emb : tensor<?xi32> -> {x}",
            f"    %r = adze.rotary_table %b freqs [{freqs}] : {r}",
            *calls,
            f"    %f = adze.rms_norm %h{len(calls)}, @norm eps 1.0e-5 : {x}",
            f"    %w = adze.take_rows %f, %rows : {x}, tensor<?xi32>",
            f"    %z = adze.linear %w, @emb : ({x}) -> {logits}",
            f"    return %z : {logits}", "  }"]
        state = (f"  adze.state @kv x {a.layers} : "
                 f"!adze.kv<{a.kv_heads}x{a.head_dim}xbf16>")
        meta = json.dumps({"context": 2048, "vocab": a.vocabulary,
                           "layers": a.layers}).replace('"', "\\22")
        return "\n".join([
            "module attributes {adze.level = #adze.level<model>, "
            f'adze.meta = "{meta}", adze.table = "{table}"}} {{',
            *self.weights, state, *kinds, *entry, "}"]) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT.mlir")
    parser.add_argument("--uniform", action="store_true",
                        help="the same size and format in every layer")
    for name, value in (("layers", 32), ("hidden", 2048), ("inner", 5632),
                        ("heads", 32), ("kv-heads", 4), ("head-dim", 64),
                        ("vocabulary", 32000)):
        parser.add_argument("--" + name, type=int, default=value,
                            help="default: %(default)s")
    a = parser.parse_args()
    model = Model(a)
    table = a.out.name + ".weights.json"
    a.out.write_text(model.text(table))
    # One file for all, a stretch per type, which tensors share.
    begins, offset = {}, 0
    data = a.out.name + ".weights.bin"
    with open(a.out.with_name(data), "wb") as file:
        for dtype, count in model.most.items():
            begins[dtype] = offset
            file.write(words(dtype, count, 7))
            offset += count * WIDTH[dtype]
    entries = {name: {"file": data, "offset": begins[dtype], "dtype": dtype,
                      "shape": shape, "bytes": size}
               for name, (dtype, shape, size) in model.tensors.items()}
    a.out.with_name(table).write_text(
        json.dumps({"version": 1, "tensors": entries}, indent=0) + "\n")


if __name__ == "__main__":
    main()
