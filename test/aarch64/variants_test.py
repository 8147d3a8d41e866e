#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every aarch64 variant of an artefact, under qemu's user mode.

stories260k in f32 and in integer formats, and the shipped model: each variant
makes the tokens that the x86-64 code makes here, and where weights or keys are bf16
(and some variants have dots of bf16) logits agree within 2e-2 of the largest.
Pruned models have the same bits with their zeros and without. What an emulated CPU
lacks is refused by name.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from array import array
from pathlib import Path

# The CPU that each variant needs, and no more.
VARIANTS = {
    "aarch64": "cortex-a57",
    "aarch64+dotprod": "neoverse-n1",
    "aarch64+i8mm+bf16": "max,sve=off",
    "aarch64+sve256": "max,sve-default-vector-length=32",
    "aarch64+sve512": "max,sve-default-vector-length=64",
}
options = None


def run(command, env=None):
    """Ends at 300 s by a signal that qemu cannot hold back."""
    return subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, timeout=300, env=env,
                          stdin=subprocess.DEVNULL)


def emulated(cpu, artefact, *arguments, isa=None):
    env = dict(os.environ)
    env.pop("ADZE_ISA", None)
    if isa:
        env["ADZE_ISA"] = isa
    return run([options.qemu, "-cpu", cpu, options.adze_run, artefact,
                "--json", "--threads", "2", *arguments], env)


def read_npy(path):
    data = Path(path).read_bytes()
    length = struct.unpack("<H", data[8:10])[0]
    values = array("f")
    values.frombytes(data[10 + length:])
    return values


class Variants(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = Path(self.folder.name)

    def compile(self, model, *arguments):
        artefact = self.out / "model.adze.so"
        done = run([options.adze, "compile", model, "-o", artefact, *arguments])
        self.assertEqual(done.returncode, 0, done.stderr)
        return artefact

    def same_tokens(self, model, count, *arguments, tokens="1"):
        """All variants make the tokens that this machine makes."""
        prompt = ["--tokens", tokens, "--max-tokens", str(count)]
        here = run([options.adze, "run", model, "--json", "--no-cache",
                    *prompt, *arguments])
        self.assertEqual(here.returncode, 0, here.stderr)
        expected = json.loads(here.stdout)["tokens"]
        self.assertGreater(len(expected), count // 2)
        artefact = self.compile(model, "--target=aarch64", *arguments)
        for variant, cpu in VARIANTS.items():
            with self.subTest(variant=variant):
                done = emulated(cpu, artefact, *prompt, isa=variant)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["tokens"], expected)

    def stories(self):
        folder = options.data / "models/stories260k-hf"
        if not folder.exists():
            self.skipTest(f"no {folder}")
        return folder

    def test_float(self):
        self.same_tokens(self.stories(), 199)

    def test_int8(self):
        self.same_tokens(self.stories(), 100, "--weights=int8", "--kv=int8")

    def test_int4(self):
        self.same_tokens(self.stories(), 100, "--weights=int4:g32", "--kv=f32")

    def test_shipped_int8(self):
        self.same_tokens(options.shipped, 24, "--weights=int8", "--kv=f32",
                         tokens="0,948,27,200,42")

    def test_zeros(self):
        """Weights without their zeros, in blocks or anywhere: the bits of those
        that have them."""
        tokens = ["--tokens", "0,948,27,200,42,508,313", "--max-tokens", "0"]
        sparse = ["--insert-pass", "before-codegen:adze-choose-sparse"]
        dense = ["--disable-pass", "adze-choose-sparse"]
        for weights, prune, stored in (
                ("int8", "2:4", "int8+nm"), ("int4:g32", "0.6", "int4:g32+mask"),
                ("bf16", "2:4", "bf16+nm"), ("f16", "0.5", "f16+mask"),
                ("f32", "2:4", "f32+nm"),
                ("int8", "0.5:16x32", "int8+blocks"),
                ("f32", "0.5:16x32", "f32+blocks")):
            made = {}
            for name, passes in (("sparse", sparse), ("dense", dense)):
                artefact = self.compile(
                    options.shipped, "--target=aarch64", "--kv=f32",
                    "--weights", weights, "--prune", prune, *passes)
                made[name] = self.out / f"{name}.adze.so"
                artefact.rename(made[name])
                seen = run([options.adze, "inspect", made[name]]).stdout
                self.assertEqual(stored in seen, name == "sparse", seen)
            for variant, cpu in VARIANTS.items():
                with self.subTest(weights=weights, prune=prune,
                                  variant=variant):
                    logits = {}
                    for name, path in made.items():
                        file = self.out / f"{name}.npy"
                        done = emulated(cpu, path, *tokens, "--logits", file,
                                        isa=variant)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        logits[name] = file.read_bytes()
                    self.assertEqual(logits["sparse"], logits["dense"])

    def test_shipped(self):
        """bf16: logits, as dots of pairs round differently."""
        artefact = self.compile(options.shipped, "--target=aarch64")
        tokens = ["--tokens", "0,948,27,200,42,508,313", "--max-tokens", "0"]
        logits = {}
        for variant, cpu in VARIANTS.items():
            path = self.out / "logits.npy"
            done = emulated(cpu, artefact, *tokens, "--logits", path,
                            isa=variant)
            self.assertEqual(done.returncode, 0, done.stderr)
            logits[variant] = read_npy(path)
        reference = logits.pop("aarch64")
        largest = max(map(abs, reference))
        for variant, values in logits.items():
            with self.subTest(variant=variant):
                worst = max(abs(a - b) for a, b in zip(values, reference))
                self.assertLess(worst, 2e-2 * largest)
        # Without dots of bf16 the arithmetic is the same.
        self.assertEqual(logits["aarch64+dotprod"], reference)

    def test_choice(self):
        """The best that runs is taken; what is missing is named."""
        artefact = self.compile(options.shipped, "--target=aarch64")
        prompt = ["--tokens", "1", "--max-tokens", "1"]
        for cpu in VARIANTS.values():
            self.assertEqual(emulated(cpu, artefact, *prompt).returncode, 0)
        refused = emulated("neoverse-n1", artefact, *prompt,
                           isa="aarch64+i8mm+bf16")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("needs i8mm, bf16", refused.stderr)
        long = emulated("max,sve-default-vector-length=32", artefact, *prompt,
                        isa="aarch64+sve512")
        self.assertIn("sve vectors of 512 bits", long.stderr)

    def test_other_family(self):
        artefact = self.compile(options.shipped)
        done = emulated("max", artefact, "--tokens", "1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("compiled for x86-64", done.stderr)
        mixed = run([options.adze, "compile", options.shipped, "-o",
                     self.out / "x.so", "--target=host,aarch64"])
        self.assertNotEqual(mixed.returncode, 0)
        self.assertIn("an artefact holds one family", mixed.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("adze", "adze-run", "qemu", "data", "shipped"):
        parser.add_argument("--" + name, type=Path, required=True)
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
