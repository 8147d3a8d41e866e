#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantized models beside llama.cpp and onnxruntime, in one run, interleaved.

    python3 -m venv peers
    CMAKE_ARGS=-DGGML_NATIVE=ON peers/bin/pip install llama-cpp-python gguf \\
        numpy onnx onnxruntime
    peers/bin/python test/benchmark/make_models.py tinyllama-1.1b
    peers/bin/python test/benchmark/peers.py --page docs/benchmarks/peers-MACHINE.md

Writes the random model of make_models.py as GGUF in Q8_0 and Q4_0, and models of its
shape for onnxruntime (onnx_peer.py), beside it in the cache, and times a prompt of
512 tokens and 64 tokens after it with the same number of threads: llama.cpp and
onnxruntime through their Python bindings (whose share of a step is microseconds),
Adze through `adze bench`. Bits per weight: int8 8.0 and Q8_0 8.5, int4:g32:f16 and
Q4_0 4.5, onnxruntime's int4 of blocks of 32 5.0, int4:g128 4.1 (its 4.25).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from onnx_peer import OnnxRuntime

ROOT = Path(__file__).resolve().parents[2]


def read_tensors(folder):
    """Name -> float32 array, one at a time, of a bf16 safetensors file."""
    path = folder / "model.safetensors"
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    data = np.memmap(path, np.uint16, "r", offset=8 + size)
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (offset // 2 for offset in entry["data_offsets"])
        bits = data[begin:end].astype(np.uint32) << 16
        yield name, bits.view(np.float32).reshape(entry["shape"])


def gguf_name(name):
    fixed = {"model.embed_tokens.weight": "token_embd.weight",
             "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}
    if name in fixed:
        return fixed[name]
    parts = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output",
             "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
             "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{parts[rest.removesuffix('.weight')]}.weight"


def write_gguf(folder, kind):
    """Llama only. Random weights: the order of rotary pairs does not matter."""
    import gguf
    path = folder.parent / f"{folder.name}-{kind.lower()}.gguf"
    if path.exists():
        return path
    print(f"writing {path}", file=sys.stderr)
    config = json.loads((folder / "config.json").read_text())
    heads = config["num_attention_heads"]
    writer = gguf.GGUFWriter(str(path) + ".new", "llama", use_temp_file=True)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    quant = gguf.GGMLQuantizationType[kind]
    for name, values in read_tensors(folder):
        if values.ndim == 1:
            writer.add_tensor(gguf_name(name), values)
        else:
            writer.add_tensor(gguf_name(name),
                              gguf.quants.quantize(values, quant),
                              raw_dtype=quant)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.rename(str(path) + ".new", path)
    return path


class LlamaCpp:
    def __init__(self, path, threads):
        import llama_cpp
        self.model = llama_cpp.Llama(
            str(path), n_ctx=1024, n_batch=512, n_ubatch=512,
            n_threads=threads, n_threads_batch=threads, verbose=False)

    def run(self, prompt, made):
        rng = np.random.default_rng(1)
        ids = rng.integers(3, 31000, prompt + made).tolist()
        self.model.reset()
        begin = time.perf_counter()
        self.model.eval(ids[:prompt])
        middle = time.perf_counter()
        for token in ids[prompt:]:
            self.model.eval([token])
        end = time.perf_counter()
        return {"prefill": prompt / (middle - begin),
                "decode": made / (end - middle)}


class Adze:
    def __init__(self, adze, folder, weights, threads):
        self.command = [str(adze), "bench", str(folder), "--json", "--weights",
                        weights, "--threads", str(threads), "--prompt-tokens",
                        "512", "--gen-tokens", "64"]

    def run(self, *_):
        done = subprocess.run(self.command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        figures = json.loads(done.stdout)
        prefill, decode = figures["prefill"], figures["decode"]
        return {"prefill": prefill["tokens_per_second"],
                "decode": decode["tokens_per_second"],
                "of_peak": prefill["fraction_of_peak"],
                "of_roof": decode["fraction_of_roof"]}


def main():
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", type=Path, default=cache / "adze-bench")
    parser.add_argument("--model", default="tinyllama-1.1b")
    parser.add_argument("--adze", type=Path, default=ROOT / "build/bin/adze")
    parser.add_argument("--threads", type=int,
                        default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--page", type=Path, help="write a page here too")
    a = parser.parse_args()
    folder = a.models / f"{a.model}-bf16"
    config = json.loads((folder / "config.json").read_text())
    contestants = {}
    for kind, weights in (("Q8_0", ["int8"]),
                          ("Q4_0", ["int4:g32:f16", "int4:g128"])):
        path = write_gguf(folder, kind)
        contestants[f"llama.cpp {kind}"] = LlamaCpp(path, a.threads)
        for w in weights:
            contestants[f"adze {w}"] = Adze(a.adze, folder, w, a.threads)
    for name, block in (("dynamic int8", 0), ("MatMulNBits, blocks of 32", 32),
                        ("MatMulNBits, blocks of 128", 128)):
        contestants[f"onnxruntime {name}"] = OnnxRuntime(folder.parent, config,
                                                         block, a.threads)
    rows = {name: [] for name in contestants}
    for repeat in range(a.repeats + 1):  # the first warms files and caches
        for name, contestant in contestants.items():
            figures = contestant.run(512, 64)
            if repeat:
                rows[name].append(figures)
                print(name, figures, file=sys.stderr)

    def cell(name, key, scale=1.0, digits=0):
        values = sorted(r[key] * scale for r in rows[name] if key in r)
        if not values:
            return "-"
        return (f"{statistics.median(values):.{digits}f} "
                f"({values[0]:.{digits}f} - {values[-1]:.{digits}f})")
    lines = [f"## {a.model}, {a.threads} threads, beside llama.cpp and onnxruntime", "",
             "Written by `test/benchmark/peers.py` (its head says how to repeat "
             f"it); median (least - most) of {a.repeats} interleaved runs.", "",
             "| | prefill tokens/s | of the dot peak, % | decode tokens/s | of "
             "the read roof, % |", "|---|---|---|---|---|"]
    for name in rows:
        lines.append(f"| {name} | {cell(name, 'prefill')} | "
                     f"{cell(name, 'of_peak', 100)} | "
                     f"{cell(name, 'decode', 1, 1)} | "
                     f"{cell(name, 'of_roof', 100)} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if a.page:
        a.page.write_text(text)


if __name__ == "__main__":
    main()
