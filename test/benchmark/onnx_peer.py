# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A Llama-shaped decoder for onnxruntime, as peers.py times it.

The graph has the fused operators that onnxruntime's own model builder uses on
CPUs (MatMulNBits with int8 arithmetic, or DynamicQuantizeMatMul; grouped-query
attention with its rotary tables and a cache that is written in place; skip
connections in the norms), random weights, and logits of the last row only, as
`adze bench` asks for. What it computes means nothing; how fast it does is the
question.
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

MS = "com.microsoft"
CONTEXT = 1024


class Graph:
    """Nodes and initializers; large tensors go to a file beside the model."""

    def __init__(self, folder, data_name):
        self.nodes, self.initializers = [], []
        self.data_name = data_name
        self.data = open(folder / data_name, "wb")
        self.rng = np.random.default_rng(3)

    def node(self, kind, inputs, outputs=1, domain="", **attributes):
        name = f"n{len(self.nodes)}"
        names = (outputs if isinstance(outputs, list)
                 else [f"{name}.{i}" for i in range(outputs)])
        self.nodes.append(helper.make_node(kind, inputs, names, name=name,
                                           domain=domain, **attributes))
        return names[0] if len(names) == 1 else names

    def tensor(self, name, array):
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = TensorProto(name=name, data_type=kind, dims=array.shape)
        if array.nbytes < 4096:
            tensor.raw_data = array.tobytes()
        else:
            offset = -self.data.tell() % 4096 + self.data.tell()
            self.data.seek(offset)
            array.tofile(self.data)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", self.data_name),
                               ("offset", str(offset)),
                               ("length", str(array.nbytes))):
                tensor.external_data.add(key=key, value=value)
        self.initializers.append(tensor)
        return name

    def int4(self, x, name, n, k, block):
        blocks = -(-k // block)
        codes = self.rng.integers(0, 256, (n, blocks, block // 2), np.uint8)
        scales = self.rng.uniform(0.001, 0.003, n * blocks)
        return self.node("MatMulNBits",
                         [x, self.tensor(name + ".codes", codes),
                          self.tensor(name + ".scales",
                                      scales.astype(np.float32))],
                         domain=MS, K=k, N=n, bits=4, block_size=block,
                         accuracy_level=4)

    def int8(self, x, name, n, k):
        codes = self.rng.integers(-127, 128, (k, n), np.int8)
        scales = self.rng.uniform(0.0001, 0.0003, n).astype(np.float32)
        return self.node("DynamicQuantizeMatMul",
                         [x, self.tensor(name + ".codes", codes),
                          self.tensor(name + ".scales", scales)], domain=MS)


def build(folder, config, block):
    """The model for int4 of such blocks, or int8 with 0; its path."""
    kind = f"int4-{block}" if block else "int8"
    path = folder.parent / f"{folder.name}-onnx-{kind}.onnx"
    if path.exists():
        return path
    print(f"writing {path}", file=sys.stderr)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    layers, vocabulary = config["num_hidden_layers"], config["vocab_size"]
    dim, eps = hidden // heads, config["rms_norm_eps"]
    g = Graph(folder.parent, path.name + ".data")

    def linear(x, name, n, k):
        return g.int4(x, name, n, k, block) if block else g.int8(x, name, n, k)

    table = g.rng.standard_normal((vocabulary, hidden), np.float32) * 0.02
    ones = g.tensor("ones", np.ones(hidden, np.float32))
    one = g.tensor("one", np.array([1], np.int64))
    last = g.node("Cast", [g.node("Sub", [g.node(
        "ReduceSum", ["attention_mask", one], keepdims=0), one])],
        to=TensorProto.INT32)
    total = g.node("Cast", [g.node("Gather", [g.node(
        "Shape", ["attention_mask"]), g.tensor("index", np.array(1))])],
        to=TensorProto.INT32)
    angles = np.outer(np.arange(CONTEXT),
                      config["rope_theta"] ** (-np.arange(0, dim, 2) / dim))
    cos = g.tensor("cos", np.cos(angles).astype(np.float32))
    sin = g.tensor("sin", np.sin(angles).astype(np.float32))

    residual = g.node("Gather", [g.tensor("embeddings", table), "input_ids"])
    normed = g.node("SimplifiedLayerNormalization", [residual, ones], axis=-1,
                    epsilon=eps, stash_type=1)
    for l in range(layers):
        qkv = linear(normed, f"{l}.qkv", hidden + 2 * kv * dim, hidden)
        attention = g.node(
            "GroupQueryAttention",
            [qkv, "", "", f"past.{l}.key", f"past.{l}.value", last, total, cos,
             sin],
            [f"a{l}", f"present.{l}.key", f"present.{l}.value"], domain=MS,
            num_heads=heads, kv_num_heads=kv, do_rotary=1)[0]
        o = linear(attention, f"{l}.o", hidden, hidden)
        normed, _, _, residual = g.node("SkipSimplifiedLayerNormalization",
                                        [residual, o, ones], 4, domain=MS,
                                        epsilon=eps)
        gate = linear(normed, f"{l}.gate", inner, hidden)
        up = linear(normed, f"{l}.up", inner, hidden)
        active = g.node("Mul", [gate, g.node("Sigmoid", [gate])])
        down = linear(g.node("Mul", [active, up]), f"{l}.down", hidden, inner)
        normed, _, _, residual = g.node("SkipSimplifiedLayerNormalization",
                                        [residual, down, ones], 4, domain=MS,
                                        epsilon=eps)
    end = g.tensor("end", np.array([-1], np.int64))
    row = g.node("Gather", [normed, end], axis=1)
    head = linear(row, "head", vocabulary, hidden)
    g.node("Identity", [head], ["logits"])

    def cache(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT,
                                             [1, kv, CONTEXT, dim])
    ids = [helper.make_tensor_value_info(n, TensorProto.INT64, [1, size])
           for n, size in (("input_ids", "S"), ("attention_mask", "T"))]
    names = [f"{l}.{part}" for l in range(layers) for part in ("key", "value")]
    graph = helper.make_graph(
        g.nodes, "decoder", ids + [cache("past." + n) for n in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT,
                                       [1, 1, vocabulary])]
        + [cache("present." + n) for n in names], g.initializers)
    model = helper.make_model(graph, opset_imports=[
        helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)
    g.data.close()
    onnx.save(model, str(path) + ".new")
    os.rename(str(path) + ".new", path)
    return path


class OnnxRuntime:
    def __init__(self, folder, config, block, threads):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        path = build(folder, config, block)
        self.session = ort.InferenceSession(str(path), options,
                                            providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.ort, self.caches = ort, []
        for part in self.session.get_inputs():
            if not part.name.startswith("past."):
                continue
            value = ort.OrtValue.ortvalue_from_numpy(
                np.zeros(part.shape, np.float32))
            self.caches.append(value)
            self.binding.bind_ortvalue_input(part.name, value)
            self.binding.bind_ortvalue_output(
                part.name.replace("past.", "present."), value)
        self.binding.bind_output("logits")

    def step(self, ids, length):
        self.binding.bind_cpu_input("input_ids", np.array([ids], np.int64))
        self.binding.bind_cpu_input("attention_mask",
                                    np.ones((1, length), np.int64))
        self.session.run_with_iobinding(self.binding)

    def run(self, prompt, made):
        import time
        ids = np.random.default_rng(1).integers(3, 31000, prompt + made)
        begin = time.perf_counter()
        self.step(ids[:prompt], prompt)
        middle = time.perf_counter()
        for i in range(prompt, prompt + made):
            self.step(ids[i:i + 1], i + 1)
        end = time.perf_counter()
        return {"prefill": prompt / (middle - begin),
                "decode": made / (end - middle)}
