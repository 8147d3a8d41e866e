#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: doctest.py Passes.td

Runs every example of the pass reference, and of the files of passes that it includes:
the pass makes of the module under "Before:" the module under "After:" (or "After, with
OPTIONS:"). Both are printed by adze-opt and compared, so names of values do not matter.
"""
import difflib
import os
import re
import subprocess
import sys
import textwrap

EXAMPLE = re.compile(
    r"Before:\s*```mlir\n(.*?)```\s*After(?:, with ([^\n]*?))?:\s*```mlir\n(.*?)```",
    re.S)
INCLUDE = re.compile(r'^include "adze/Transforms/(.*\.td)"$', re.M)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def adze_opt(text, *flags):
    run = subprocess.run(["adze-opt", *flags], input=textwrap.dedent(text),
                         capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"adze-opt {' '.join(flags)}:\n{run.stderr}\n{text}")
    return run.stdout


def main():
    folder = os.path.dirname(sys.argv[1])
    source = INCLUDE.sub(lambda found: read(os.path.join(folder, found[1])), read(sys.argv[1]))
    examples, failed, without = 0, 0, []
    for definition in re.split(r"^def ", source, flags=re.M)[1:]:
        name, flag = re.match(r'(\w+) : Pass<"([\w-]+)"', definition).groups()
        found = EXAMPLE.findall(definition)
        if definition.count("```mlir") != 2 * len(found):
            sys.exit(f"{name}: an example without Before: or After:")
        if not found:
            without.append(flag)
        for before, options, after in found:
            examples += 1
            made = adze_opt(before, f"--{flag}={options}" if options else f"--{flag}")
            wanted = adze_opt(after)
            if made == wanted:
                continue
            failed += 1
            print(f"{flag}: the example is not what the pass does")
            print("\n".join(difflib.unified_diff(
                wanted.splitlines(), made.splitlines(), "documented", "made",
                lineterm="")))
    print(f"{examples} examples, {failed} wrong; without one: "
          f"{' '.join(without) or 'none'}")
    sys.exit(failed > 0)


main()
