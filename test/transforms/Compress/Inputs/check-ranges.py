# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: check-ranges.py MODULE STATISTICS GROUP MARGIN

Compares the ranges in the weight table that MODULE names with plain loops over
the statistics: of each group (0: the row) the largest |x|, divided by the factors
of its column where the table has some.
"""
import json
import os
import re
import struct
import sys

module, statistics, group, margin = sys.argv[1:]
table = re.search(r'adze.table = "([^"]*)"', open(module).read()).group(1)


def read(path):
    tensors = json.load(open(path))["tensors"]

    def values(name):
        tensor = tensors[name]
        with open(os.path.join(os.path.dirname(path), tensor["file"]), "rb") as data:
            data.seek(tensor["offset"])
            return struct.unpack(f"<{tensor['bytes'] // 4}f", data.read(tensor["bytes"]))

    return tensors, values


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


names, values = read(table)
seen, statistic = read(os.path.join(statistics, "statistics.json"))
ranges = [name for name in names if ".input_ranges." in name]
wrong = 0
for name in ranges:
    most = statistic(name.replace(".input_ranges", "") + "/abs_max")
    factors = name.replace("input_ranges", "input_scales")
    if factors in names:
        most = [f32(x / s) for x, s in zip(most, values(factors))]
    most = [f32(x * float(margin)) for x in most]
    size = int(group) or len(most)
    expected = [max(most[i:i + size]) for i in range(0, len(most), size)]
    expected = [x or max(expected) for x in expected]
    wrong += list(values(name)) != expected
scaled = sum(".input_scales." in name for name in names)
print(f"{len(ranges)} inputs, {scaled} of them scaled, {wrong} wrong")
