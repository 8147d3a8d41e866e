#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the built examples and compares what they print and compute.

Environment: ADZE_PREFIX, the installed package; ADZE_EXAMPLES, the folder of
the examples' builds; ADZE_LOGITS, the program of test/plugin; ADZE_MODEL, a
model; ADZE_OTHER_MODEL, one with another vocabulary. Needs Python's standard
library only.
"""
import array
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PREFIX = pathlib.Path(os.environ["ADZE_PREFIX"])
EXAMPLES = pathlib.Path(os.environ["ADZE_EXAMPLES"])
LOGITS = os.environ["ADZE_LOGITS"]
MODEL = os.environ["ADZE_MODEL"]
OTHER_MODEL = os.environ["ADZE_OTHER_MODEL"]
TOKENS = "1,17,30,5,44,260,9"


def read_npy(path):
    """float32 [rows][columns] of a .npy."""
    data = path.read_bytes()
    start = 10 + int.from_bytes(data[8:10], "little")
    header = data[10:start].decode()
    assert "'<f4'" in header, header
    rows, columns = map(
        int, re.search(r"'shape': \((\d+), (\d+)\)", header).groups())
    values = array.array("f", data[start:])
    assert len(values) == rows * columns
    return [values[r * columns:(r + 1) * columns] for r in range(rows)]


def read_raw(path, rows):
    values = array.array("f", path.read_bytes())
    columns = len(values) // rows
    return [values[r * columns:(r + 1) * columns] for r in range(rows)]


def error(have, want):
    """The largest max|a-b| / max|b| of a row."""
    assert len(have) == len(want)
    assert all(len(a) == len(b) for a, b in zip(have, want))
    return max(
        max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, b))
        for a, b in zip(have, want))


class Case(unittest.TestCase):

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="adze-example-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_program(self, *command, fails=False):
        environment = dict(os.environ)
        environment["ADZE_CACHE_DIR"] = str(self.folder / "cache")
        environment.pop("LD_LIBRARY_PATH", None)
        done = subprocess.run([str(part) for part in command],
                              capture_output=True,
                              text=True,
                              env=environment)
        if (done.returncode != 0) != fails:
            self.fail(f"{' '.join(map(str, command))}\nexit code "
                      f"{done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stderr if fails else done.stdout

    def tool(self, name, *arguments, fails=False):
        return self.run_program(PREFIX / "bin" / name, *arguments, fails=fails)

    _once = None  # a folder of all tests of this run

    def compiled_once(self):
        """MODEL for this machine, compiled by whichever test is the first."""
        if not Case._once:
            Case._once = tempfile.TemporaryDirectory(prefix="adze-example-")
        artefact = pathlib.Path(Case._once.name) / "model.adze.so"
        if not artefact.exists():
            self.tool("adze", "compile", MODEL, "-o", artefact, "--target",
                      "host")
        return artefact


class CompileAhead(Case):

    def test_c_and_cpp_write_the_same_text(self):
        artefact = self.folder / "model.adze.so"
        self.tool("adze", "compile", MODEL, "-o", artefact)
        prompt = "ROMEO:"
        by_c, by_cpp = (self.run_program(
            EXAMPLES / "compile-ahead" / program, artefact, prompt)
                        for program in ("generate-c", "generate-cpp"))
        self.assertEqual(by_c, by_cpp)
        self.assertGreater(len(by_c), len(prompt) + 20)
        by_tool = json.loads(
            self.tool("adze-run", artefact, "--prompt", prompt, "--max-tokens",
                      40, "--json"))
        self.assertEqual(by_c, prompt + by_tool["text"] + "\n")

    def test_programs_contain_no_llvm(self):
        for program in ("generate-c", "generate-cpp"):
            needed = self.run_program("ldd",
                                      EXAMPLES / "compile-ahead" / program)
            self.assertNotRegex(needed, "LLVM|MLIR|libAdze")

    def test_a_missing_artefact_is_named(self):
        said = self.run_program(EXAMPLES / "compile-ahead" / "generate-c",
                                "/no/such.so", "x", fails=True)
        self.assertIn("/no/such.so", said)


class Serve(Case):

    def serve(self, *options, fails=False):
        return self.run_program(EXAMPLES / "serve" / "serve",
                                self.compiled_once(), *options, fails=fails)

    def figures(self, *options, requests=48):
        said = self.serve(*options)
        self.assertIn(f"all {requests} outputs equal those of the request alone",
                      said)
        return {
            name: int(re.search(pattern, said)[1])
            for name, pattern in {
                "tokens": r"^(\d+) tokens in",
                "steps": r"(\d+) steps",
                "together": r"steps of up to (\d+) sequences",
                "shared": r"shared (\d+) of",
                "preempted": r"preempted (\d+)",
                "evicted": r"evicted (\d+)",
                "cancelled": r"cancelled (\d+)"
            }.items()
        }

    def test_requests_run_together_and_share_what_they_begin_with(self):
        made = self.figures("--clients", 8, "--requests", 6)
        self.assertGreater(made["tokens"], 1000)
        self.assertGreater(made["together"], 4)
        self.assertLess(made["steps"], made["tokens"] / 2)
        self.assertGreater(made["shared"], 1000)
        self.assertGreater(made["cancelled"], 0)
        self.assertEqual(made["preempted"], 0)

    def test_requests_wait_where_pages_run_out(self):
        made = self.figures("--pages", 6)
        self.assertGreater(made["preempted"], 0)
        self.assertGreater(made["evicted"], 0)

    def test_small_steps_cut_prompts(self):
        made = self.figures("--budget", 5, "--running", 3, "--kept", 0,
                            "--clients", 4, "--threads", 1, requests=24)
        self.assertEqual(made["together"], 3)

    def test_a_request_that_has_no_room_at_all_is_told(self):
        said = self.serve("--pages", 1, "--clients", 1, fails=True)
        self.assertIn("the prompt needs more than the 1 pages", said)

    def test_another_output_would_be_noticed(self):
        said = self.serve("--clients", 2, "--requests", 2, "--plant",
                          fails=True)
        self.assertRegex(said, "1 of 4 requests differ")

    def test_the_program_contains_no_llvm(self):
        needed = self.run_program("ldd", EXAMPLES / "serve" / "serve")
        self.assertNotRegex(needed, "LLVM|MLIR|libAdze")


class Speculative(Case):

    def setUp(self):
        super().setUp()
        self.target = self.compiled_once()

    def compiled(self, name, model, *options):
        artefact = self.folder / f"{name}.adze.so"
        self.tool("adze", "compile", model, "-o", artefact, "--target", "host",
                  *options)
        return artefact

    def damaged(self, name, tensors):
        """The model with the rows of some of its weights in another order."""
        copy = self.folder / name
        shutil.copytree(MODEL, copy)
        file = copy / "model.safetensors"
        data = bytearray(file.read_bytes())
        start = 8 + int.from_bytes(data[:8], "little")
        changed = 0
        for key, tensor in json.loads(data[8:start]).items():
            if key != "__metadata__" and re.search(tensors, key):
                begin, end = (start + at for at in tensor["data_offsets"])
                half = (end - begin) // tensor["shape"][0] * (
                    tensor["shape"][0] // 2)
                data[begin:end] = (data[begin + half:end] +
                                   data[begin:begin + half])
                changed += 1
        self.assertGreater(changed, 0)
        file.write_bytes(data)
        return self.compiled(name, copy)

    def speculate(self, draft, *options, text="ROMEO:"):
        """(tokens, steps, accepted, drafted); the program itself compares the
        text with plain greedy decoding and would fail."""
        said = self.run_program(EXAMPLES / "speculative" / "speculative",
                                self.target, draft, text, *options)
        self.assertIn("plain greedy decoding gives the same tokens", said)
        found = re.search(
            r"(\d+) tokens in (\d+) steps of the target, (\d+) saved; "
            r"accepted (\d+) of (\d+) drafted", said)
        tokens, steps, saved, accepted, drafted = map(int, found.groups())
        self.assertEqual(saved, tokens - steps)
        self.assertGreaterEqual(tokens, accepted)
        return tokens, steps, accepted, drafted

    def test_the_target_as_its_own_draft(self):
        for ahead, steps in (0, 60), (1, 30), (4, 12), (7, 8):
            with self.subTest(ahead):
                tokens, done, accepted, drafted = self.speculate(
                    self.target, "--draft", ahead)
                self.assertEqual((tokens, done), (60, steps))
                self.assertEqual(accepted, drafted)

    def test_other_weights(self):
        draft = self.compiled("f32", MODEL, "--weights", "f32")
        tokens, steps, accepted, drafted = self.speculate(draft)
        self.assertGreater(accepted, drafted * 0.8)
        self.assertLess(steps, tokens / 2)

    def test_a_draft_that_is_partly_right(self):
        draft = self.damaged("worse", r"layers\.4\.mlp\.down_proj")
        tokens, steps, accepted, drafted = self.speculate(
            draft, text="Once upon a time")
        self.assertTrue(0 < accepted < drafted, (accepted, drafted))

    def test_a_draft_that_is_wrong_on_purpose(self):
        draft = self.damaged("wrong", r"layers\.\d\.")
        tokens, steps, accepted, drafted = self.speculate(draft, "--draft", 3)
        self.assertLess(accepted, drafted * 0.2)
        self.assertLessEqual(steps, tokens)

    def test_up_to_the_end_of_the_context(self):
        tokens, steps, _, _ = self.speculate(self.target, "--tokens", 2000,
                                             text="ROMEO: " * 40)
        self.assertGreater(tokens, 2 * steps)

    def test_another_vocabulary_is_refused(self):
        said = self.run_program(EXAMPLES / "speculative" / "speculative",
                                self.target,
                                self.compiled("other", OTHER_MODEL), "x",
                                fails=True)
        self.assertRegex(said, r"other\.adze\.so has a vocabulary of \d+, .*"
                         r"of 1024: a draft needs the target's tokenizer")


class Jit(Case):

    def test_model(self):
        first = self.run_program(EXAMPLES / "jit" / "jit-model", MODEL)
        self.assertEqual(len(first.split()), 20)
        expected = json.loads(
            self.tool("adze", "run", MODEL, "--tokens", "0", "--max-tokens", 20,
                      "--json"))
        made = expected["tokens"][1:] # up to the end of the text
        self.assertEqual([int(t) for t in first.split()][:len(made)], made)

    def test_function(self):
        self.assertIn("largest error",
                      self.run_program(EXAMPLES / "jit" / "jit-function"))

    def test_attention(self):
        self.assertIn("largest error",
                      self.run_program(EXAMPLES / "jit" / "jit-attention"))

    def test_built(self):
        said = self.run_program(EXAMPLES / "jit" / "jit-built")
        self.assertEqual(said.split(), ["3", "5", "4", "30", "50", "40"])

    def test_what_is_wrong_is_said(self):
        said = self.run_program(EXAMPLES / "jit" / "jit-model", "/no/model",
                                fails=True)
        self.assertIn("/no/model", said)


class PluginCase(Case):
    """The three ways to a changed model."""
    tolerance = 1e-4

    def logits_of(self, model, *options):
        out = self.folder / "logits.npy"
        self.tool("adze", "run", model, "--tokens", TOKENS, "--max-tokens", 0,
                  "--logits", out, "--weights", "f32", "--kv", "f32", *options)
        return read_npy(out)

    def own_tool(self, kind, *options):
        out = self.folder / "logits.raw"
        self.run_program(LOGITS, kind, MODEL, TOKENS, out, *options)
        return read_raw(out, TOKENS.count(",") + 1)

    def all_ways(self, plugin, inserts, pipeline):
        """Logits by command-line option, by C++ option and by adze-opt."""
        options = [f"--load-pass-plugin={plugin}"]
        options += [f"--insert-pass={insert}" for insert in inserts]
        yield "adze run", self.logits_of(MODEL, *options)
        artefact = self.folder / "changed.adze.so"
        self.tool("adze", "compile", MODEL, "-o", artefact, "--weights", "f32",
                  *options)
        out = self.folder / "artefact.npy"
        self.tool("adze-run", artefact, "--tokens", TOKENS, "--max-tokens", 0,
                  "--logits", out)
        yield "adze compile", read_npy(out)
        yield "options.plugins", self.own_tool(
            "compile", f"plugin={plugin}",
            *[f"insert={insert}" for insert in inserts])
        module, changed = self.folder / "m.mlir", self.folder / "changed.mlir"
        self.tool("adze", "compile", MODEL, "--emit=adze", "--kv", "f32", "-o",
                  module)
        self.tool("adze-opt", module, f"--load-pass-plugin={plugin}",
                  f"--pass-pipeline=builtin.module({pipeline})", "-o", changed)
        yield "adze-opt", self.logits_of(changed)

    def check(self, plugin, inserts, pipeline, expected):
        plain = self.logits_of(MODEL)
        self.assertGreater(error(plain, expected), 0.01,
                           "the pass would not be noticed")
        for way, logits in self.all_ways(plugin, inserts, pipeline):
            with self.subTest(way):
                self.assertLess(error(logits, expected), self.tolerance)


class CustomPass(PluginCase):
    plugin = EXAMPLES / "custom-pass" / "SwapActivation.so"

    def test_gelu(self):
        expected = self.own_tool("interpret", "replace=adze.silu=adze.gelu")
        self.check(self.plugin, ["after-import:swap-activation{to=gelu}"],
                   "swap-activation{to=gelu}", expected)

    def test_default_place_and_option(self):
        expected = self.own_tool("interpret", "replace=adze.silu=adze.gelu")
        logits = self.logits_of(MODEL, f"--load-pass-plugin={self.plugin}")
        self.assertLess(error(logits, expected), self.tolerance)

    def test_ops_of_other_dialects(self):
        options = [f"--load-pass-plugin={self.plugin}",
                   "--insert-pass=after-import:swap-activation{to=square}"]
        fused = self.logits_of(MODEL, *options)
        apart = self.logits_of(MODEL, *options,
                               "--disable-pass=adze-merge-gate-up",
                               "--disable-pass=adze-fuse-linear-regions")
        self.assertLess(error(fused, apart), self.tolerance)
        self.assertGreater(error(fused, self.logits_of(MODEL)), 0.01)

    def test_a_bad_option_is_said(self):
        said = self.tool("adze", "run", MODEL, "--tokens", "1",
                         f"--load-pass-plugin={self.plugin}",
                         "--insert-pass=after-import:swap-activation{to=x}",
                         fails=True)
        self.assertIn("expected gelu or square", said)


class CustomOp(PluginCase):
    plugin = EXAMPLES / "custom-op" / "Softcap.so"

    def test_softcap(self):
        expected = [[5 * math.tanh(x / 5) for x in row]
                    for row in self.own_tool("interpret")]
        self.check(self.plugin, ["after-import:softcap-logits{cap=5}"],
                   "softcap-logits{cap=5},softcap-lower", expected)

    def test_fused_into_the_linear(self):
        text = self.tool("adze", "compile", MODEL, "--emit=adze@after-fuse",
                         f"--load-pass-plugin={self.plugin}")
        self.assertRegex(text, r"softcap\.cap %\w+ to 3\.0+e\+01 : f32")

    def test_without_the_lowering(self):
        module, changed = self.folder / "m.mlir", self.folder / "changed.mlir"
        self.tool("adze", "compile", MODEL, "--emit=adze", "-o", module)
        self.tool("adze-opt", module, f"--load-pass-plugin={self.plugin}",
                  "--pass-pipeline=builtin.module(softcap-logits)", "-o",
                  changed)
        said = self.tool("adze", "run", changed, "--tokens", "1", fails=True)
        self.assertIn("softcap", said)



if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    unittest.main()
