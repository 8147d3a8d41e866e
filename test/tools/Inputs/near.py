# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: near.py A.npy B.npy TOLERANCE

Rows of float32: max|a - b| of each at most the tolerance times max|b|.
"""
import array
import ast
import struct
import sys


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10:10 + length].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"], header
    values = array.array("f", data[10 + length:])
    rows, columns = header["shape"]
    return [values[i * columns:(i + 1) * columns] for i in range(rows)]


a, b = read(sys.argv[1]), read(sys.argv[2])
assert len(a) == len(b) and len(a[0]) == len(b[0])
worst = max(max(abs(x - y) for x, y in zip(r, s)) / max(abs(y) for y in s)
            for r, s in zip(a, b))
assert worst <= float(sys.argv[3]), worst
assert worst > 0, "nothing was rotated"
