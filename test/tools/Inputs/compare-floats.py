# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares files of float32: max |a - b| / max |b| is to be at most a tolerance.

    compare-floats.py A B TOLERANCE
"""
import array
import sys

a, b = (array.array("f", open(path, "rb").read()) for path in sys.argv[1:3])
assert len(a) == len(b) > 0, (len(a), len(b))
error = max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, b))
print(f"error {error:.3g}")
assert error <= float(sys.argv[3]), error
