#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""adze-run over the pretend decoder: its interface, its files, its errors.

usage: adze-run-test.py ADZE_RUN FAKE_ARTEFACT
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

TOOL, ARTEFACT = sys.argv[1:3]
MASK = (1 << 64) - 1


def mix(a, b):
    x = (a * 0x9E3779B97F4A7C15 + b + 0x632BE59BD9B4E019) & MASK
    x = ((x ^ x >> 29) * 0xBF58476D1CE4E5B9) & MASK
    return x ^ x >> 32


def row(tokens):
    """Logits after these tokens, as fake_arithmetic.h has them."""
    h = 0
    for position, token in enumerate(tokens):
        h = mix(h, mix(token + 1, position))
    return [(mix(h, v) >> 40) / (1 << 21) for v in range(64)]


def run(*arguments, **more):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True,
                          timeout=60, **more)


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    length, = struct.unpack_from("<H", data, 8)
    header = eval(data[10:10 + length])  # a dictionary, our own file
    assert header["descr"] == "<f4" and not header["fortran_order"]
    rows, columns = header["shape"]
    values = struct.unpack_from(f"<{rows * columns}f", data, 10 + length)
    assert len(data) == 10 + length + 4 * rows * columns
    return [list(values[i * columns:(i + 1) * columns]) for i in range(rows)]


class AdzeRun(unittest.TestCase):
    def test_chat(self):
        # The pretend decoder has no tokenizer, so it has no template.
        done = run(ARTEFACT, "--chat", "--message", "Hi")
        self.assertEqual(done.returncode, 1)
        self.assertIn("compiled without a tokenizer", done.stderr)
        for arguments, message in (
                (["--message", "Hi"], "go with --chat"),
                (["--chat", "--prompt", "x"], "--chat takes --message"),
                (["--chat", "--json"], "--json answers once")):
            done = run(ARTEFACT, *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)

    def greedy(self, tokens, count):
        tokens = list(tokens)
        for _ in range(count):
            logits = row(tokens)
            tokens.append(logits.index(max(logits)))
            if tokens[-1] in (2, 61):
                break
        return tokens

    def test_json_and_logits(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.npy")
            plain = run(ARTEFACT, "--tokens", "3,4,5", "--max-tokens", "6",
                        "--json")
            self.assertEqual(plain.returncode, 0, plain.stderr)
            result = json.loads(plain.stdout)
            expected = self.greedy([3, 4, 5], 6)
            self.assertEqual(result["tokens"], expected)
            self.assertEqual(result["prompt_tokens"], 3)
            for key in ("load_seconds", "compile_seconds",
                        "prefill_tokens_per_second",
                        "decode_tokens_per_second"):
                self.assertIsInstance(result[key], float)
            self.assertEqual(plain.stderr, "")
            both = run(ARTEFACT, "--tokens", "3,4,5", "--max-tokens", "6",
                       "--json", "--logits", path, "--threads", "3")
            self.assertEqual(both.returncode, 0, both.stderr)
            self.assertEqual(json.loads(both.stdout)["tokens"], expected)
            logits = read_npy(path)
            self.assertEqual(len(logits), len(expected))
            for i, values in enumerate(logits):
                self.assertEqual(values, row(expected[:i + 1]))
            self.assertEqual(os.listdir(folder), ["out.npy"])

    def test_sampling_is_the_same_with_and_without_logits(self):
        with tempfile.TemporaryDirectory() as folder:
            common = [ARTEFACT, "--tokens", "9,10", "--max-tokens", "20",
                      "--temperature", "0.9", "--top-k", "12", "--seed", "5",
                      "--repetition-penalty", "1.2", "--json"]
            a = run(*common)
            b = run(*common, "--logits", os.path.join(folder, "o.npy"))
            self.assertEqual(json.loads(a.stdout)["tokens"],
                             json.loads(b.stdout)["tokens"])

    def test_max_tokens_zero_only_evaluates(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.npy")
            tokens = [3 + i % 50 for i in range(300)]
            done = run(ARTEFACT, "--tokens", ",".join(map(str, tokens)),
                       "--max-tokens", "0", "--logits", path, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["tokens"], tokens)
            logits = read_npy(path)
            self.assertEqual(len(logits), 300)
            self.assertEqual(logits[299], row(tokens))
        done = run(ARTEFACT, "--tokens", "3", "--max-tokens", "0", "--json")
        self.assertEqual(json.loads(done.stdout)["tokens"], [3])

    def test_usage_errors_are_2(self):
        for arguments in ([], [ARTEFACT], [ARTEFACT, "--tokens", "1", "more"],
                          [ARTEFACT, "--tokens", "1,x"],
                          [ARTEFACT, "--tokens", ""],
                          [ARTEFACT, "--tokens", "1", "--prompt", "x"],
                          [ARTEFACT, "--tokens", "1", "--max-tokens", "-1"],
                          [ARTEFACT, "--tokens", "1", "--temperature", "nan"],
                          [ARTEFACT, "--tokens", "1", "--nonsense"],
                          [ARTEFACT, "--tokens"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("adze-run: ", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_failures_are_1_and_leave_no_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.npy")
            for arguments, message in (
                    (["/nonexistent", "--tokens", "1"], "/nonexistent"),
                    ([ARTEFACT, "--tokens", "64"], "the vocabulary has 64"),
                    ([ARTEFACT, "--prompt", "Hi"], "without a tokenizer"),
                    ([ARTEFACT, "--tokens", "3", "--context", "4096"],
                     "the model has 2048"),
                    ([ARTEFACT, "--tokens", ",".join(["3"] * 2049)],
                     "the prompt has 2049 tokens"),
                    ([ARTEFACT, "--tokens", "3", "--logits",
                      "/nonexistent/a.npy"], "/nonexistent/a.npy")):
                more = [] if "--logits" in arguments else ["--logits", path]
                done = run(*arguments, *more)
                self.assertEqual(done.returncode, 1, arguments)
                self.assertIn(message, done.stderr)
            self.assertEqual(os.listdir(folder), [])
            full = run(ARTEFACT, "--tokens", "3", "--json",
                       stdin=subprocess.DEVNULL)
            self.assertEqual(full.returncode, 0)
        with open("/dev/full", "w") as full:
            done = subprocess.run([TOOL, ARTEFACT, "--tokens", "3"],
                                  stdout=full, stderr=subprocess.PIPE,
                                  timeout=60)
            self.assertEqual(done.returncode, 1)

    def test_forced_variant(self):
        done = run(ARTEFACT, "--tokens", "3",
                   env={**os.environ, "ADZE_ISA": "nope"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("wish+magic, base, other", done.stderr)

    def test_help_and_version(self):
        self.assertIn("examples", run("--help").stdout)
        self.assertTrue(run("--version").stdout.startswith("adze-run "))


unittest.main(argv=[sys.argv[0]])
