#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measure methods of compression on the models of experiment.py.

    python3 examples/models/compare.py --adze build/bin/adze build/experiment

runs `adze eval` for each row of the tables in docs/experiments.md, those with
a calibration once for each calibration text, and prints the tables. What was
measured is kept in results.json in that folder with the command that measured
it, so that a run that was interrupted goes on; --table only prints, --only int3
leaves out the rows without that in their names. Needs neither PyTorch nor NumPy.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

RETRAINED = ["longer", "sparse24", "blocks50", "blocks75"]
CALIBRATIONS = [1, 2, 3]
# The embedding is the head too: methods do not touch it, so it is int8 in all.
def with_head(weights):
    return f"*embed_tokens=int8,*={weights}"


INT4 = ["int4:g128", "int4:g32"]
INT3 = ["int3:g128", "int3:g32"]


def make_rows():
    """(model, name of the row, arguments of adze eval, calibrated or not)."""
    rows = [("dense", "bf16", ["--weights", "bf16"], False),
            ("dense", "int8", ["--weights", "int8"], False)]
    for name in INT4 + INT3:
        weights = ["--weights", with_head(name)]
        rows.append(("dense", name, weights, False))
        for method in ("search", "gptq", "awq", "awq+gptq"):
            rows.append(("dense", f"{name}, {method}",
                         [*weights, "--method", method], True))
    for amount, title in (("0.5", "50 %"), ("2:4", "2:4"),
                          ("0.5:16x32", "50 % of blocks"),
                          ("0.75:16x32", "75 % of blocks")):
        rows.append(("dense", f"bf16, {title}, magnitude",
                     ["--weights", "bf16", "--prune", amount,
                      "--prune-method", "magnitude"], False))
        for method in ("wanda", "sparsegpt"):
            rows.append(("dense", f"bf16, {title}, {method}",
                         ["--weights", "bf16", "--prune", amount,
                          "--prune-method", method], True))
    for model in RETRAINED:
        rows.append((model, "bf16", ["--weights", "bf16"], False))
        rows.append((model, "int8", ["--weights", "int8"], False))
        for name in INT4:
            rows.append((model, name, ["--weights", with_head(name)], False))
    return rows


def chosen_rows(only):
    return [row for row in make_rows() if only in f"{row[0]}, {row[1]}"]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout


class Results:
    """Measurements by command, on disk after each."""

    def __init__(self, file):
        self.file = file
        self.values = json.loads(file.read_text()) if file.exists() else {}

    def add(self, key, value):
        self.values[key] = value
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(self.values, indent=2) + "\n")
        beside.replace(self.file)


class Comparison:

    def __init__(self, arguments):
        self.a = arguments
        self.folder = arguments.experiment
        self.results = Results(self.folder / "results.json")

    def calibration(self, number):
        """Writes the statistics of the dense model on one of the texts; where
        they are there already, adze leaves them alone."""
        target = self.calibration_folder(number)
        target.parent.mkdir(exist_ok=True)
        run([str(self.a.adze), "calibrate", str(self.folder / "dense"),
             "--text", str(self.folder / f"text/calibration-{number}.txt"),
             "--threads", str(self.a.threads), "-o", str(target)])

    def calibration_folder(self, number):
        return self.folder / "calibration" / str(number)

    def commands(self, model, arguments, calibrated):
        """One for each calibration text, or the one without."""
        folder = self.folder
        command = ["adze", "eval", str(folder / model), *arguments,
                   "--against", str(folder / "dense"),
                   "--against-weights", "f32", "--kv", "f32", "--text",
                   str(folder / "text/held-out.txt"), "--context", "512"]
        if not calibrated:
            return [(None, command)]
        return [(n, command + ["--calibration", str(self.calibration_folder(n))])
                for n in CALIBRATIONS]

    def jobs(self):
        """What is to be run: all rows, then the same with the next text."""
        jobs = []
        for model, name, arguments, calibrated in chosen_rows(self.a.only):
            if not (self.folder / model / "training.json").exists():
                print(f"{model}, {name}: not trained", file=sys.stderr)
            else:
                jobs += [(number or 0, f"{model}, {name}", command)
                         for number, command in self.commands(
                             model, arguments, calibrated)]
        return sorted(jobs, key=lambda job: job[0])

    def measure(self):
        for number, title, command in self.jobs():
            key = " ".join(command)
            if key in self.results.values:
                continue
            try:
                if number:
                    self.calibration(number)
                value = json.loads(run(
                    [str(self.a.adze), *command[1:], "--json",
                     "--threads", str(self.a.threads)]))
            except RuntimeError as failed:
                print(failed, file=sys.stderr)
                continue
            self.results.add(key, value)
            print(f"{title}: {value['perplexity']:.3f}", file=sys.stderr,
                  flush=True)

    def table(self):
        print("| model | weights, method | perplexity | change | "
              "KL divergence | same likeliest token |\n|---|---|---|---|---|---|")
        for model, name, arguments, calibrated in chosen_rows(self.a.only):
            values = [self.results.values[" ".join(command)]
                      for _, command in self.commands(model, arguments,
                                                      calibrated)
                      if " ".join(command) in self.results.values]
            if not values:
                continue
            perplexities = [v["perplexity"] for v in values]
            against = [v["against"] for v in values]
            mean = statistics.mean(perplexities)
            shown = f"{mean:.3f}"
            if len(values) > 1:
                shown += " (" + ", ".join(
                    f"{p:.3f}" for p in perplexities) + ")"
            kl = statistics.mean(v["kl_divergence"] for v in against)
            same = statistics.mean(v["top1_agreement"] for v in against)
            print(f"| {model} | {name} | {shown} | "
                  f"{mean / against[0]['perplexity'] - 1:+.2%} | {kl:.4f} | "
                  f"{same:.1%} |")


def main():
    p = argparse.ArgumentParser(
        description="Measure methods of compression and print a table.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("experiment", type=Path, nargs="?",
                   default=Path("build/experiment"),
                   help="what experiment.py wrote")
    p.add_argument("--adze", type=Path, default=Path("build/bin/adze"))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--only", default="", metavar="TEXT",
                   help="rows whose model and name have this in them")
    p.add_argument("--table", action="store_true",
                   help="print what was measured, measure nothing")
    a = p.parse_args()
    comparison = Comparison(a)
    if not a.table:
        comparison.measure()
    comparison.table()


if __name__ == "__main__":
    main()
