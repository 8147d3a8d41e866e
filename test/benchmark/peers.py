#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantized models beside llama.cpp, onnxruntime and OpenVINO, interleaved.

    python3 -m venv peers
    CMAKE_ARGS=-DGGML_NATIVE=ON peers/bin/pip install llama-cpp-python gguf \\
        numpy onnx onnxruntime openvino
    peers/bin/python test/benchmark/make_models.py tinyllama-1.1b smollm-135m
    peers/bin/python test/benchmark/peers.py --page docs/benchmarks/MACHINE-peers.md
    peers/bin/python test/benchmark/peers.py --model smollm-135m --page ...

Writes the random model of make_models.py as GGUF in Q8_0 and Q4_0 and for OpenVINO
(openvino_peer.py), and models of its shape for onnxruntime (onnx_peer.py), beside
it in the cache, and times a prompt of 512 tokens and 64 tokens after it with the
same number of threads: the peers through their Python bindings (whose share of a
step is microseconds), Adze through `adze bench`. Bits per weight: int8 8.0 and Q8_0
8.5, int4:g32:f16, Q4_0 and OpenVINO's groups of 32 4.5, onnxruntime's int4 of
blocks of 32 5.0, groups of 128 4.1 (onnxruntime's 4.25).

What other processes took of the machine meanwhile is measured too; runs in which
it was more than --calm are taken again, once, and do not count if it still is. With
--figures the runs of several calls come together: of other models, of --only some
contestants, of quiet minutes.
"""

import argparse
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from run import features, processor

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


def work():
    """Ticks of the machine: all, and those in which a CPU was not idle."""
    with open("/proc/stat") as file:
        ticks = [int(part) for part in file.readline().split()[1:9]]
    return sum(ticks), sum(ticks) - ticks[3] - ticks[4]


def own():
    return sum(os.times()[:4]) * os.sysconf("SC_CLK_TCK")


def timed(contestant, made, calm, attempts=2):
    """The figures of the calmest attempt: "others" is what this process and its
    children did not do, as a share of the machine."""
    best = None
    for _ in range(attempts):
        (all_before, busy_before), own_before = work(), own()
        figures = contestant.run(512, made)
        (all_after, busy_after), own_after = work(), own()
        others = busy_after - busy_before - (own_after - own_before)
        figures["others"] = max(others, 0) / (all_after - all_before)
        if best is None or figures["others"] < best["others"]:
            best = figures
        if best["others"] <= calm:
            break
    return best


def llama_cpp(folder, threads, kind):
    import llama_cpp as _  # before the file is written: it may be missing
    return LlamaCpp(write_gguf(folder, kind), threads)


def onnx_runtime(folder, config, threads, block):
    from onnx_peer import OnnxRuntime
    return OnnxRuntime(folder, config, block, threads)


def open_vino(folder, config, threads, group, dynamic):
    from openvino_peer import OpenVino
    return OpenVino(folder, config, read_tensors, group, dynamic, threads)


def serve(pipe, make, *arguments):
    """The process of one contestant: says whether it is ready, then answers."""
    try:
        contestant = make(*arguments)
    except ModuleNotFoundError as missing:
        pipe.send(missing.name)
        return
    pipe.send(None)
    while (request := pipe.recv()) is not None:
        pipe.send(timed(contestant, *request))


class Contestant:
    """One in a process of its own: some pin their threads."""

    def __init__(self, name, make, *arguments):
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve,
                                       args=(theirs, make, *arguments))
        self.process.start()
        theirs.close()
        self.missing = self.answer()

    def answer(self):
        try:
            return self.pipe.recv()
        except EOFError:
            sys.exit(f"{self.name}: its process ended; what it said is above")

    def run(self, *request):
        self.pipe.send(request)
        return self.answer()

    def stop(self):
        self.pipe.send(None)
        self.process.join()


def all_contestants(a, folder, config):
    """Name -> what makes it; those of about as many bits stand together."""
    threads = a.threads

    def adze(weights):
        return Adze, a.adze, folder, weights, threads

    def llama(kind):
        return llama_cpp, folder, threads, kind

    def onnx(block):
        return onnx_runtime, folder, config, threads, block

    def openvino(group, dynamic):
        return open_vino, folder, config, threads, group, dynamic
    return {
        "adze int8": adze("int8"),
        "llama.cpp Q8_0": llama("Q8_0"),
        "onnxruntime dynamic int8": onnx(0),
        "OpenVINO int8, bf16": openvino(0, 0),
        "OpenVINO int8, dynamic int8": openvino(0, 128),
        "adze int4:g32:f16": adze("int4:g32:f16"),
        "llama.cpp Q4_0": llama("Q4_0"),
        "onnxruntime MatMulNBits, blocks of 32": onnx(32),
        "OpenVINO int4, groups of 32, bf16": openvino(32, 0),
        "OpenVINO int4, groups of 32, dynamic int8": openvino(32, 32),
        "adze int4:g128": adze("int4:g128"),
        "onnxruntime MatMulNBits, blocks of 128": onnx(128),
        "OpenVINO int4, groups of 128, bf16": openvino(128, 0),
        "OpenVINO int4, groups of 128, dynamic int8": openvino(128, 128),
    }


def measured(name, make, calm):
    """The figures of one run; None where its package is missing. Its process
    ends then: all of a large model's contestants would not fit the memory."""
    contestant = Contestant(name, *make)
    if contestant.missing:
        package = {"llama_cpp": "llama-cpp-python"}.get(contestant.missing,
                                                        contestant.missing)
        print(f"{name}: left out, as Python finds no module "
              f"{contestant.missing!r}; peers/bin/pip install {package}",
              file=sys.stderr)
        return None
    if make[0] is not Adze:  # which does so itself
        contestant.run(8, 1, 1)
    figures = contestant.run(64, calm)
    contestant.stop()
    return figures


def versions():
    found = []
    for package in ("llama-cpp-python", "onnxruntime", "openvino"):
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            pass
    return ", ".join(found)


def table(model, threads, rows, calm):
    """Of the runs that were calm, whatever their figures."""
    rows = {name: kept for name, runs in rows.items()
            if (kept := [r for r in runs if r["others"] <= calm])}
    if not rows:
        return [f"## {model}, {threads} threads", "",
                f"In no run did other processes take at most {calm:.0%}."]

    def cell(name, key, scale=1.0, digits=0):
        values = sorted(r[key] * scale for r in rows[name] if key in r)
        if not values:
            return "-"
        return (f"{statistics.median(values):.{digits}f} "
                f"({values[0]:.{digits}f} - {values[-1]:.{digits}f})")
    sizes = [len(runs) for runs in rows.values()]
    counts = sorted({min(sizes), max(sizes)})
    others = max(r["others"] for runs in rows.values() for r in runs)
    lines = [f"## {model}, {threads} threads", "",
             "Median (least - most) of "
             f"{' to '.join(str(n) for n in counts)} runs, in which other "
             f"processes took at most {others:.0%} of the machine.", "",
             "| | prefill tokens/s | of the dot peak, % | decode tokens/s | of "
             "the read roof, % |", "|---|---|---|---|---|"]
    for name in rows:
        lines.append(f"| {name} | {cell(name, 'prefill')} | "
                     f"{cell(name, 'of_peak', 100)} | "
                     f"{cell(name, 'decode', 1, 1)} | "
                     f"{cell(name, 'of_roof', 100)} |")
    return lines + ["", *compared(rows)]


def compared(rows):
    """Adze's rows beside the fastest of those that follow them, of as many bits."""
    groups, lines = [], []
    for name in rows:
        if name.startswith("adze "):
            groups.append((name, []))
        elif groups:
            groups[-1][1].append(name)
    for ours, peers in groups:
        for key in ("prefill", "decode") if peers else ():
            def rate(name):
                return statistics.median(r[key] for r in rows[name])
            best = max(peers, key=rate)
            ratio = rate(ours) / rate(best)
            lines.append(f"* {key}: {ours} is {ratio:.2f} x the fastest peer, "
                         f"{best}" + ("." if ratio >= 1 else ": slower."))
    return lines


def page(figures, calm):
    lines = [f"# Beside other engines, {processor()}", "",
             "Written by `test/benchmark/peers.py` (its head says how to repeat "
             f"it); the CPU has: {features()}. {versions()}. OpenVINO with "
             "bf16 arithmetic, which is its own choice where AMX has it, or with "
             "inputs rounded to int8 (f32 as inference precision, dynamic "
             "quantization by its weights' groups, of 128 for int8)."]
    names = {name for entry in figures.values() for name in entry["rows"]}
    missing = [peer for peer in ("llama.cpp", "onnxruntime", "OpenVINO")
               if not any(name.startswith(peer) for name in names)]
    if missing:
        lines += ["", f"Not measured: {', '.join(missing)}."]
    lines += ["", "Shared machines change their speed from minute to minute: with "
              "--only or --figures, rows need not be of the same minutes."]
    for model, entry in figures.items():
        lines += ["", *table(model, entry["threads"], entry["rows"],
                              calm)]
    return "\n".join(lines) + "\n"


def main():
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", type=Path, default=cache / "adze-bench",
                        help="cache folder (default: %(default)s)")
    parser.add_argument("--model", default="tinyllama-1.1b",
                        help="a Llama of make_models.py (default: %(default)s)")
    parser.add_argument("--adze", type=Path, default=ROOT / "build/bin/adze")
    parser.add_argument("--threads", type=int,
                        default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", metavar="REGEX",
                        help="contestants whose name has it")
    parser.add_argument("--calm", type=float, default=0.05, metavar="SHARE",
                        help="what others may take (default: %(default)s)")
    parser.add_argument("--figures", type=Path, metavar="FILE",
                        help="JSON that runs are added to, for the page")
    parser.add_argument("--page", type=Path, help="write a page here too")
    a = parser.parse_args()
    folder = a.models / f"{a.model}-bf16"
    if not folder.exists():
        sys.exit(f"{folder} is not there: python3 test/benchmark/make_models.py "
                 f"--out {a.models} {a.model}")
    config = json.loads((folder / "config.json").read_text())
    figures = {}
    if a.figures and a.figures.exists():
        figures = json.loads(a.figures.read_text())
    entry = figures.setdefault(a.model, {"threads": a.threads, "rows": {}})
    if entry["threads"] != a.threads:
        sys.exit(f"{a.figures} has runs with {entry['threads']} threads of "
                 f"{a.model}; --threads {a.threads} needs a file of its own")
    makers = all_contestants(a, folder, config)
    if a.repeats:
        chosen = [name for name in makers if re.search(a.only, name)]
        if not chosen:
            sys.exit(f"--only {a.only!r} is in none of {', '.join(makers)}")
        runs = entry["rows"]
        for _ in range(a.repeats):
            for name in list(chosen):
                result = measured(name, makers[name], a.calm)
                if result is None:
                    chosen.remove(name)
                    continue
                runs.setdefault(name, []).append(result)
                print(name, result, file=sys.stderr, flush=True)
                if a.figures:
                    a.figures.write_text(json.dumps(figures, indent=1) + "\n")
        if not runs:
            sys.exit("no contestant can run here")
    for each in figures.values():
        each["rows"] = {n: each["rows"][n] for n in makers if n in each["rows"]}
    text = page(figures, a.calm)
    print(text)
    if a.page:
        a.page.write_text(text)


if __name__ == "__main__":
    main()
