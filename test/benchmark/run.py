#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures what docs/benchmarks.md says, and writes it: a page for each kind of
machine in docs/benchmarks/, all of them one after the other in the whole.

    ./dev build
    python3 test/benchmark/make_models.py tinyllama-1.1b smollm-135m qwen3-0.6b
    python3 test/benchmark/run.py                # writes docs/benchmarks.md

Every figure is a ratio within one run where it can be: `adze bench` measures the
plain-read roof and the register-only peak before, between and after the model,
and a plain write of as many bytes stands beside each compilation. Repeats are
interleaved over models, and the spread is in the table: memory bandwidth of
shared machines comes in two states. No page is edited by hand. peers.py writes
pages of its own into the same folder.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ["tinyllama-1.1b", "smollm-135m", "qwen3-0.6b", "llama-3.2-1b"]


def run_json(*command, env=None):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, env=env)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n"
                         f"{done.stderr}")
    return json.loads(done.stdout)


def spread(values, digits=1, scale=1.0):
    values = sorted(v * scale for v in values)
    middle = statistics.median(values)
    return (f"{middle:.{digits}f} ({values[0]:.{digits}f} - "
            f"{values[-1]:.{digits}f})")


def plain_write_seconds(folder, size):
    """Seconds to write `size` bytes of zeros in 4 MB pieces to a new file."""
    block = bytes(4 << 20)
    path = Path(folder) / "plain-write"
    begin = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for _ in range(size // len(block)):
            file.write(block)
    seconds = time.monotonic() - begin
    path.unlink()
    return seconds


# A format of weights, and options of adze where there are more.
FASTEST = "--activations=int8:token --kv=int8"  # to read prompts
WEIGHTS = ["bf16", "int8", "int8 --kv=int8", f"int8 {FASTEST}",
           "int4:g128", f"int4:g128 {FASTEST}", "int4:g32",
           f"int4:g32 {FASTEST}"]


def bench_models(adze, models, arguments):
    rows = {}
    for turn in range(arguments.repeats):
        for name, path in models.items():
            for weights in arguments.weights:
                print(f"run {turn + 1} of {arguments.repeats}: {name} "
                      f"{weights}", file=sys.stderr, flush=True)
                figures = run_json(adze, "bench", path, "--json",
                                   "--weights", *weights.split(),
                                   "--threads", arguments.threads,
                                   "--prompt-tokens", 512, "--gen-tokens", 64)
                rows.setdefault(f"{name} {weights}", []).append(figures)
    lines = ["| model | decode tokens/s | GB/s | of the read roof | prefill "
             "tokens/s | GFLOP/s | of the dot peak |",
             "|---|---|---|---|---|---|---|"]
    for name, runs in rows.items():
        decode = [r["decode"] for r in runs]
        prefill = [r["prefill"] for r in runs]
        lines.append(
            f"| {name} | {spread([d['tokens_per_second'] for d in decode])} | "
            f"{spread([d['gb_per_second'] for d in decode])} | "
            f"{spread([d['fraction_of_roof'] for d in decode], 0, 100)} % | "
            f"{spread([p['tokens_per_second'] for p in prefill], 0)} | "
            f"{spread([p['gflops'] for p in prefill], 0)} | "
            f"{spread([p['fraction_of_peak'] for p in prefill], 0, 100)} % |")
    return lines


def compile_models(adze, models, arguments):
    lines = ["| model | source | total s | codegen s | pack s | GB/s | plain "
             "write GB/s | anonymous memory | artefact |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name, path in models.items():
        source = sum(f.stat().st_size for f in Path(path).iterdir())
        best, written = None, []
        for _ in range(arguments.repeats + 1):  # the first warms the files
            with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
                written.append(plain_write_seconds(folder, source))
                out = Path(folder) / "m.adze.so"
                figures = run_json(adze, "compile", path, "-o", out, "--json")
                figures["artefact_bytes"] = out.stat().st_size
            if best is None or figures["seconds"] < best["seconds"]:
                best = figures
        lines.append(
            f"| {name} | {source / 1e9:.2f} GB | {best['seconds']:.2f} | "
            f"{best['codegen_seconds']:.2f} | {best['pack_seconds']:.2f} | "
            f"{source / 1e9 / best['seconds']:.2f} | "
            f"{source / 1e9 / min(written):.2f} | "
            f"{best['peak_anon_bytes'] / 1e6:.0f} MB | "
            f"{best['artefact_bytes'] / 1e9:.2f} GB |")
    return lines


def mixed_layers(adze, arguments):
    """Code generation where no two layers are alike, beside a uniform model."""
    seconds = {"uniform": [], "mixed": []}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        for kind in seconds:
            subprocess.run(
                [sys.executable, ROOT / "test/benchmark/make_mixed.py",
                 Path(folder) / f"{kind}.mlir",
                 *(["--uniform"] if kind == "uniform" else [])], check=True)
        for _ in range(arguments.repeats):
            for kind, list_ in seconds.items():
                figures = run_json(adze, "compile",
                                   Path(folder) / f"{kind}.mlir", "-o",
                                   Path(folder) / "m.so", "--json")
                list_.append(figures["codegen_seconds"])
    ratio = (statistics.median(seconds["mixed"])
             / statistics.median(seconds["uniform"]))
    return ["| 32 layers | code generation s |", "|---|---|",
            f"| alike, bf16 | {spread(seconds['uniform'], 2)} |",
            "| each with its own intermediate size and format (bf16, f16, f32) "
            f"| {spread(seconds['mixed'], 2)} |",
            f"| ratio | {ratio:.2f} |"]


def start_up(adze, adze_run, model, small, arguments):
    """Opening, and a cached start in process, to the first token."""
    lines = ["| what | ms |", "|---|---|"]
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        out = Path(folder) / "m.adze.so"
        run_json(adze, "compile", model, "-o", out, "--json",
                 "--target", "host")
        opened = [run_json(adze_run, out, "--tokens", "1", "--max-tokens", 0,
                           "--json")["load_seconds"]
                  for _ in range(arguments.repeats)]
        lines.append(f"| open an artefact of {out.stat().st_size / 1e9:.1f} GB "
                     f"| {spread(opened, 2, 1e3)} |")
        env = {**os.environ, "ADZE_CACHE_DIR": folder}
        times = []
        for _ in range(arguments.repeats + 1):
            begin = time.monotonic()
            run_json(adze, "run", small, "--tokens", "1", "--max-tokens", 1,
                     "--json", env=env)
            times.append(time.monotonic() - begin)
        lines.append(f"| `adze run` of the shipped model, first time, whole "
                     f"process | {times[0] * 1e3:.0f} |")
        lines.append(f"| the same from the cache | {spread(times[1:], 0, 1e3)} "
                     "|")
    return lines


def sizes(build):
    lines = ["| file, stripped | KB |", "|---|---|"]
    for name in ("lib/libadze_runtime.so", "bin/adze-run"):
        with tempfile.NamedTemporaryFile() as stripped:
            subprocess.run(["strip", "-o", stripped.name, build / name],
                           check=True)
            size = Path(stripped.name).stat().st_size
        lines.append(f"| {name} | {size / 1024:.0f} |")
    return lines


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def features():
    """Which of the instructions that variants differ in this CPU has."""
    flags = next((line.split(":", 1)[1].split()
                  for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("flags")), [])
    known = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_vbmi2",
             "avx512_bf16", "amx_int8"]
    return ", ".join(f for f in known if f in flags) or "none of avx2 and up"


def page_name():
    """Processors of one name differ in AMX."""
    name = re.sub(r"[^a-z0-9]+", "-", processor().lower()).strip("-")
    return name + ("-amx" if "amx_int8" in features() else "")


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.rename(path)
    print(f"wrote {path}")


def join(pages):
    whole = ["# Benchmarks", "",
             "Put together by `python3 test/benchmark/run.py` from the pages in "
             "`benchmarks/`, a kind of machine each; do not edit.", ""]
    for page in sorted(pages.glob("*.md")):
        # Headings go one level down.
        whole += [("#" + line if line.startswith("#") else line)
                  for line in page.read_text().splitlines()] + [""]
    write(pages.parent / "benchmarks.md", "\n".join(whole))


def main():
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--models", type=Path, default=cache / "adze-bench",
                        help="where make_models.py wrote them")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int,
                        default=len(os.sched_getaffinity(0)))
    parser.add_argument("--scratch", default=None,
                        help="folder for artefacts (default: that of models)")
    parser.add_argument("--weights", nargs="+", default=WEIGHTS,
                        help="formats, each with options of adze behind it if "
                        "need be: 'int8 --kv=int8'")
    parser.add_argument("--machine", help="name of the page (default: the CPU's)")
    parser.add_argument("--join", action="store_true",
                        help="only put the pages together")
    arguments = parser.parse_args()
    pages = ROOT / "docs" / "benchmarks"
    if arguments.join:
        return join(pages)
    arguments.scratch = arguments.scratch or str(arguments.models)
    models = {name: arguments.models / f"{name}-bf16" for name in MODELS
              if (arguments.models / f"{name}-bf16").is_dir()}
    if not models:
        sys.exit(f"no models in {arguments.models}: run "
                 "test/benchmark/make_models.py first")
    adze, adze_run = arguments.build / "bin/adze", arguments.build / "bin/adze-run"
    command = f"python3 test/benchmark/run.py --repeats {arguments.repeats}"
    title = processor()
    if arguments.machine:  # virtual machines name different cores alike
        command += f" --machine {arguments.machine}"
        title += f" ({arguments.machine})"
    page = [
        f"# {title}", "",
        f"Written by `{command}`; do not edit. Random "
        "weights in real shapes. Median (least - most) of "
        f"{arguments.repeats} interleaved runs, {arguments.threads} threads; "
        f"the CPU has: {features()}.", "",
        "## Running", "", *bench_models(adze, models, arguments), "",
        "Decode: 64 tokens of one sequence after a prompt of 512. GB/s are "
        "packed weight bytes and cache bytes read per token; the roof is a "
        "plain read of as many bytes by the same threads in the same run. "
        "Prefill: 512 tokens; operations of the linears and of causal "
        "attention; the peak is a register-only loop of the fastest dot of "
        "such numbers (AMX where there is one; groups of "
        "32 fill half of its registers).", "",
        "## Compiling (every x86-64 variant)", "",
        *compile_models(adze, models, arguments), "",
        "Best of the runs, as the disk has good and bad moments; the plain "
        "write is the best of as many, interleaved.", "",
        "Layers that differ:", "", *mixed_layers(adze, arguments), "",
        "## Starting", "",
        *start_up(adze, adze_run, next(iter(models.values())),
                  ROOT / "examples/models/bard", arguments), "",
        "## Sizes", "", *sizes(arguments.build), ""]
    write(pages / f"{arguments.machine or page_name()}.md", "\n".join(page))
    join(pages)


if __name__ == "__main__":
    main()
