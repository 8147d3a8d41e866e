# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: check-scales.py EXPECTED METHOD REPORT TABLE [CODES]

Compares the report and the factors in the store of a scaled model with those of the
reference; with CODES also the codes in the table of a model that GPTQ rounded then.

check-scales.py follows REPORT AFTER: that the second scaling begins with the errors that
the first has left.
"""
import array
import json
import os
import sys


def near(found, expected, tolerance, what):
    assert abs(found - expected) <= tolerance * abs(expected), (what, found, expected)


def tensor(table, name):
    entry = json.load(open(table))["tensors"][name]
    with open(os.path.join(os.path.dirname(table), entry["file"]), "rb") as data:
        data.seek(entry["offset"])
        return entry, data.read(entry["bytes"])


def factors(table, name):
    entry, data = tensor(table, name)
    assert entry["dtype"] == "f32", entry
    return array.array("f", data)


if sys.argv[1] == "follows":
    before, after = (json.load(open(path))["inputs"] for path in sys.argv[2:])
    for first, second in zip(before, after, strict=True):
        assert first["tensors"] == second["tensors"], second
        near(second["plain"], first["output"], 3e-2, first["tensors"])
        assert second["output"] <= second["plain"], second
    assert any(s["output"] < s["plain"] for s in
               json.load(open(sys.argv[3]))["inputs"])
    print(f"{len(before)} inputs follow")
    sys.exit()
expected_file, method, report, table = sys.argv[1:5]
expected = json.load(open(expected_file))[method]
report = {entry["tensors"][0]: entry for entry in json.load(open(report))["inputs"]}
assert len(report) == len(expected)
different = codes = 0
for case in expected:
    found = report[case["input"]]
    assert sorted(found["tensors"]) == sorted(case["weights"]), found
    near(found["alpha"], case["alpha"], 1e-9, case["input"])
    near(found["output"], case["output"], 1e-5, case["input"])
    near(found["plain"], case["plain"], 1e-5, case["input"])
    stem = case["input"].removesuffix(".weight")
    columns = factors(table, stem + ".input_scales.weight")
    rows = columns
    if stem.endswith(".o"):  # two heads share values of size 8
        rows = factors(table, stem + ".row_scales.weight")
        assert list(columns) == [rows[i // 16 * 8 + i % 8] for i in range(32)]
    assert len(rows) == len(case["factors"])
    for a, b in zip(rows, case["factors"]):
        near(a, b, 2e-7, stem)
    for name, lines in case["weights"].items() if len(sys.argv) > 5 else []:
        entry, data = tensor(sys.argv[5], name.removesuffix(".weight") + ".coded.weight")
        n, k = entry["shape"]
        for row, line in enumerate(lines):
            packed = data[row * entry["bytes"] // n:][:k // 2]
            got = [byte >> 4 * half & 15 for byte in packed for half in (0, 1)]
            for a, b in zip(got, line, strict=True):
                codes += 1
                different += a != int(b, 16)
assert len(sys.argv) == 5 or codes == 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32), codes
assert different * 1000 <= codes, (different, codes)
print(f"{len(expected)} inputs, {different} of {codes} codes differ")
