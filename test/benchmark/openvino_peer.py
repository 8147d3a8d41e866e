# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A Llama-shaped decoder for OpenVINO, as peers.py times it.

The graph is written as OpenVINO's CPU plugin looks for it in exported models, so
that it fuses norms, rotary embedding, and attention with its cache (a state:
ReadValue and Assign). Weights are the checkpoint's, rounded here to i8 with a
scale per row or to i4 of groups (without zero points, which its kernels are
slower with), in all linears, the head included; they stay so in memory. Logits
are of the last row only, as `adze bench` asks for.
"""

import os
import sys

import numpy as np


def rounded(values, group, most):
    """Codes about 0 and scales of [rows, groups, group]; a group of 0 is a row.

    Where a row is no multiple of the group, the group is halved until it is."""
    rows, columns = values.shape
    group = group or columns
    while columns % group:
        group //= 2
    parts = values.reshape(rows, columns // group, group)
    scales = np.abs(parts).max(2, keepdims=True) / most
    np.maximum(scales, 1e-7, out=scales)
    return np.rint(parts / scales).astype(np.int8), scales.astype(np.float16)


class Graph:
    """The decoder for groups of int4, or int8 with 0."""

    def __init__(self, weights, config, group):
        import openvino as ov
        from openvino import opset13
        self.ov, self.op = ov, opset13
        self.weights, self.config, self.group = weights, config, group

    def constant(self, values, kind=np.float32):
        return self.op.constant(np.asarray(values, kind))

    def weight(self, name):
        """Codes with the arithmetic that the plugin knows as their format."""
        op, ov, values = self.op, self.ov, self.weights[name]
        codes, scales = rounded(values, self.group, 7 if self.group else 127)
        if self.group:
            pairs = codes.reshape(-1, 2).view(np.uint8)
            kept = ov.op.Constant(
                ov.Tensor(pairs[:, 0] & 15 | pairs[:, 1] << 4,
                          ov.Shape(codes.shape), ov.Type.i4),
                shared_memory=False)
        else:
            kept, scales = op.constant(codes[:, 0]), scales[:, 0]
        x = op.multiply(op.convert(kept, np.float16), op.constant(scales))
        if self.group:
            x = op.reshape(x, self.constant(values.shape, np.int64), False)
        return op.convert(x, np.float32)

    def linear(self, x, name):
        return self.op.matmul(x, self.weight(name), False, True)

    def embedding(self, ids):
        """Rows of int8: only those that are looked up become floats."""
        op = self.op
        codes, scales = rounded(self.weights["model.embed_tokens.weight"], 0,
                                127)
        axis = self.constant(0, np.int64)
        rows = op.gather(op.constant(codes[:, 0]), ids, axis)
        return op.multiply(
            op.convert(rows, np.float32),
            op.convert(op.gather(op.constant(scales[:, 0]), ids, axis),
                       np.float32))

    def norm(self, x, name):
        op = self.op
        mean = op.reduce_mean(op.power(x, self.constant(2)),
                              self.constant([-1], np.int64), True)
        root = op.sqrt(op.add(mean, self.constant(self.config["rms_norm_eps"])))
        return op.multiply(self.constant(self.weights[name]),
                           op.multiply(x, op.divide(self.constant(1), root)))

    def heads(self, x, count, dim):
        shape = self.constant([0, 0, count, dim], np.int64)
        return self.op.transpose(self.op.reshape(x, shape, True),
                                 self.constant([0, 2, 1, 3], np.int64))

    def angles(self, positions, dim):
        """cos and sin of [batch, 1, length, dim]."""
        op = self.op
        steps = self.config["rope_theta"] ** (-np.arange(0, dim, 2) / dim)
        row = op.convert(op.unsqueeze(positions, self.constant(1, np.int64)),
                         np.float32)
        half = op.transpose(op.matmul(self.constant(steps[None, :, None]), row,
                                      False, False),
                            self.constant([0, 2, 1], np.int64))
        both = op.concat([half, half], -1)
        return [op.unsqueeze(f(both), self.constant(1, np.int64))
                for f in (op.cos, op.sin)]

    def rotate(self, x, cos, sin, dim):
        op = self.op

        def part(begin, end):
            return op.slice(x, *(self.constant([v], np.int64)
                                 for v in (begin, end, 1, 3)))
        turned = op.concat([op.multiply(part(dim // 2, 2 ** 62),
                                        self.constant(-1)),
                            part(0, dim // 2)], -1)
        return op.add(op.multiply(x, cos), op.multiply(turned, sin))

    def remembered(self, name, new, beam, batch):
        """What the state holds, then `new`; the whole is the next state."""
        op, config = self.op, self.config
        kv = config["num_key_value_heads"]
        dim = config["hidden_size"] // config["num_attention_heads"]
        empty = op.broadcast(self.constant(0), op.concat(
            [batch, self.constant([kv, 0, dim], np.int64)], 0))
        past = op.read_value(empty, name, np.float32, [-1, kv, -1, dim])
        whole = op.concat([op.gather(past, beam, self.constant(0, np.int64)),
                           new], 2)
        return whole, op.assign(whole, name)

    def repeated(self, x, times, heads, dim):
        """Each head of the cache for the heads of the query that read it."""
        op = self.op
        wide = op.unsqueeze(x, self.constant(2, np.int64))
        shape = self.constant([1, 1, times, 1, 1], np.int64)
        wide = op.broadcast(wide, shape, broadcast_spec="BIDIRECTIONAL")
        return op.reshape(wide, self.constant([0, heads, -1, dim], np.int64),
                          True)

    def attention(self, x, prefix, cos, sin, beam, batch, sinks):
        op, config = self.op, self.config
        heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
        dim = config["hidden_size"] // heads
        q, k, v = (self.heads(self.linear(x, f"{prefix}{part}_proj.weight"), n,
                              dim)
                   for part, n in (("q", heads), ("k", kv), ("v", kv)))
        q = self.rotate(q, cos, sin, dim)
        k = self.rotate(k, cos, sin, dim)
        whole = []
        for part, new in (("key", k), ("value", v)):
            value, sink = self.remembered(f"{prefix}{part}", new, beam, batch)
            sinks.append(sink)
            whole.append(self.repeated(value, heads // kv, heads, dim))
        mixed = op.scaled_dot_product_attention(q, *whole, causal=True)
        flat = op.reshape(op.transpose(mixed,
                                       self.constant([0, 2, 1, 3], np.int64)),
                          self.constant([0, 0, heads * dim], np.int64), True)
        return self.linear(flat, f"{prefix}o_proj.weight")

    def model(self):
        op, config, sinks = self.op, self.config, []
        ids = op.parameter([-1, -1], np.int64, "input_ids")
        positions = op.parameter([-1, -1], np.int64, "position_ids")
        beam = op.parameter([-1], np.int32, "beam_idx")
        for node, name in ((ids, "input_ids"), (positions, "position_ids"),
                           (beam, "beam_idx")):
            node.output(0).set_names({name})
        batch = op.gather(op.shape_of(ids), self.constant([0], np.int64),
                          self.constant(0, np.int64))
        x = self.embedding(ids)
        cos, sin = self.angles(
            positions, config["hidden_size"] // config["num_attention_heads"])
        for l in range(config["num_hidden_layers"]):
            p = f"model.layers.{l}."
            x = op.add(x, self.attention(
                self.norm(x, p + "input_layernorm.weight"), p + "self_attn.",
                cos, sin, beam, batch, sinks))
            normed = self.norm(x, p + "post_attention_layernorm.weight")
            gate = op.swish(self.linear(normed, p + "mlp.gate_proj.weight"))
            up = self.linear(normed, p + "mlp.up_proj.weight")
            x = op.add(x, self.linear(op.multiply(gate, up),
                                      p + "mlp.down_proj.weight"))
        last = op.gather(self.norm(x, "model.norm.weight"),
                         self.constant([-1], np.int64),
                         self.constant(1, np.int64))
        tied = config["tie_word_embeddings"]
        logits = self.linear(last, "model.embed_tokens.weight" if tied
                             else "lm_head.weight")
        logits.output(0).set_names({"logits"})
        return self.ov.Model([op.result(logits)], sinks, [ids, positions, beam],
                             "decoder")


def build(folder, config, tensors, group):
    """The model for int4 of such groups, or int8 with 0; its path."""
    import openvino as ov
    kind = f"int4-{group}" if group else "int8"
    path = folder.parent / f"{folder.name}-openvino-{kind}.xml"
    if not path.exists():
        print(f"writing {path}", file=sys.stderr)
        new = path.with_name("new-" + path.name)
        ov.save_model(Graph(dict(tensors(folder)), config, group).model(), new,
                      compress_to_fp16=False)
        os.rename(new.with_suffix(".bin"), path.with_suffix(".bin"))
        os.rename(new, path)
    return path


class OpenVino:
    """`dynamic`: inputs are rounded to int8 in groups of so many, 0 for bf16."""

    def __init__(self, folder, config, tensors, group, dynamic, threads):
        import openvino as ov
        path = build(folder, config, tensors, group)
        self.compiled = ov.Core().compile_model(
            str(path), "CPU",
            {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
             "INFERENCE_NUM_THREADS": threads,
             "INFERENCE_PRECISION_HINT": "f32" if dynamic else "bf16",
             "DYNAMIC_QUANTIZATION_GROUP_SIZE": dynamic})
        self.request = self.compiled.create_infer_request()
        self.beam = np.zeros(1, np.int32)

    def step(self, ids, first):
        """Logits after `ids`, of which the first has position `first`."""
        self.request.infer(
            {"input_ids": np.asarray(ids, np.int64)[None],
             "position_ids": np.arange(first, first + len(ids))[None],
             "beam_idx": self.beam}, share_inputs=True)
        return self.request.get_tensor("logits").data[0, 0]

    def run(self, prompt, made):
        import time
        ids = np.random.default_rng(1).integers(3, 31000, prompt + made)
        self.request.reset_state()
        begin = time.perf_counter()
        self.step(ids[:prompt], 0)
        middle = time.perf_counter()
        for i in range(prompt, prompt + made):
            self.step(ids[i:i + 1], i)
        end = time.perf_counter()
        return {"prefill": prompt / (middle - begin),
                "decode": made / (end - middle)}
