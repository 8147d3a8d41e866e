#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures weights without their blocks of zeros beside the same model stored dense,
and writes a page of docs/benchmarks.

    ./dev build
    for p in 0.5 0.7; do
      python3 test/benchmark/make_models.py tinyllama-1.1b --zero-blocks $p
    done
    python3 test/benchmark/sparse.py --prepare   # compiles, which is slow
    python3 test/benchmark/sparse.py             # measures, and writes the page

With --even, of models and of this script, each panel of 16 rows has as many blocks
of zeros (Wanda and SparseGPT choose them so); without, they are drawn one by one.
Dense is the checkpoint with half of its blocks zero, compiled without
adze-choose-sparse: speed does not depend on values. Runs are interleaved over all
models; ratios are of medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from run import (ROOT, features, join, page_name, processor, run_json, spread,
                 write)


def artefacts(a):
    """(weights, share of zero blocks, artefact, checkpoint) of all that is run."""
    kind = "even" if a.even else "blocks"
    for weights in a.weights:
        short = weights.replace(":", "-")
        for zeros in [0.0, *a.zeros]:
            model = a.models / f"{a.model}-bf16-{kind}{zeros or a.zeros[0]:g}"
            yield (weights, zeros,
                   a.scratch / f"{a.model}-{short}-{kind}{zeros:g}.adze.so",
                   model)


def prepare(a):
    a.scratch.mkdir(parents=True, exist_ok=True)
    for weights, zeros, out, model in artefacts(a):
        if not model.is_dir():
            sys.exit(f"no {model}: run test/benchmark/make_models.py first")
        print(out.name, file=sys.stderr, flush=True)
        subprocess.run(
            [a.build / "bin/adze", "compile", model, "-o", out, "--target",
             "host", "--weights", weights, *a.compile,
             *([] if zeros else ["--disable-pass", "adze-choose-sparse"])],
            check=True, stdout=subprocess.DEVNULL)


def measure(a):
    runs = {}
    for turn in range(a.repeats):
        for weights, zeros, out, _ in artefacts(a):
            print(f"run {turn + 1} of {a.repeats}: {out.name}", file=sys.stderr,
                  flush=True)
            runs.setdefault((weights, zeros), []).append(run_json(
                a.build / "bin/adze", "bench", out, "--json", "--threads",
                a.threads, "--prompt-tokens", 512, "--gen-tokens", a.gen_tokens,
                "--repeat", 3))
    return runs


def table(a, runs):
    lines = ["| weights | zero blocks | artefact | decode tokens/s | of dense | "
             "prefill tokens/s | of dense |", "|---|---|---|---|---|---|---|"]

    def speeds(key, kind):
        return [r[kind]["tokens_per_second"] for r in runs[key]]

    for weights, zeros, out, _ in artefacts(a):
        cells = [weights, f"{zeros:.0%}" if zeros else "stored dense",
                 f"{out.stat().st_size / 1e6:.0f} MB"]
        for kind, digits in (("decode", 1), ("prefill", 0)):
            mine, dense = (speeds((weights, zeros), kind),
                           speeds((weights, 0.0), kind))
            ratio = statistics.median(mine) / statistics.median(dense)
            cells += [spread(mine, digits), f"{ratio:.2f} x"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main():
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--models", type=Path, default=cache / "adze-bench")
    parser.add_argument("--scratch", type=Path,
                        help="folder of artefacts (default: that of models)")
    parser.add_argument("--model", default="tinyllama-1.1b")
    parser.add_argument("--weights", nargs="+",
                        default=["int8", "int4:g128", "bf16"])
    parser.add_argument("--zeros", nargs="+", type=float, default=[0.5, 0.7])
    parser.add_argument("--even", action="store_true",
                        help="models made with make_models.py --even")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gen-tokens", type=int, default=32)
    parser.add_argument("--threads", type=int,
                        default=len(os.sched_getaffinity(0)))
    parser.add_argument("--compile", nargs="+", default=[], metavar="OPTION",
                        help="more options of adze compile")
    parser.add_argument("--prepare", action="store_true",
                        help="only compile what is measured")
    parser.add_argument("--print", action="store_true",
                        help="print the table, write no page")
    a = parser.parse_args()
    a.scratch = a.scratch or a.models
    if a.prepare:
        return prepare(a)
    missing = [out for _, _, out, _ in artefacts(a) if not out.exists()]
    if missing:
        sys.exit(f"no {missing[0]}: run with --prepare first")
    rows = table(a, measure(a))
    if a.print:
        return print("\n".join(rows))
    pages = ROOT / "docs" / "benchmarks"
    write(pages / f"{page_name()}-sparse.md", "\n".join([
        f"# {a.model} without its blocks of zeros, {processor()}", "",
        "Written by `test/benchmark/sparse.py` (its head says how to repeat it). "
        "Random weights of which that share of the blocks of 16 x 32 of all "
        "projections is zero, " + ("as many in each panel" if a.even else
        "drawn one by one") + "; embedding and head are dense. Median (least - "
        f"most) of {a.repeats} interleaved runs, {a.threads} threads, 512 tokens "
        f"of a prompt, then {a.gen_tokens} of one sequence; the CPU has: "
        f"{features()}.", "", *rows, ""]))
    join(pages)


if __name__ == "__main__":
    main()
