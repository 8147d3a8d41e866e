#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies an artefact with other JSON in one of its tables, and a right hash.

    edit-table.py IN OUT TAG STATEMENT

TAG is that of adze/abi.h (12: PROOF, 13: SCHEDULE), STATEMENT is Python and
changes `o`, the table's object, or sets `text`, which replaces it. The new JSON
must not be longer than what is there.
"""
import hashlib
import json
import struct
import sys

source, target, tag, statement = sys.argv[1:]
data = bytearray(open(source, "rb").read())

# Sections by name: offset and size.
header = struct.unpack_from("<Q", data, 40)[0]
count, names_index = struct.unpack_from("<HH", data, 60)
rows = [struct.unpack_from("<IIQQQQ", data, header + 64 * i) for i in range(count)]
names = rows[names_index][4]
sections = {}
for row in rows:
    start = names + row[0]
    sections[bytes(data[start:data.index(0, start)])] = row[4:6]
descriptor, _ = sections[b".adze.desc"]
weights, weight_bytes = sections[b".adze.weights"]

at, end = descriptor + 64, descriptor + struct.unpack_from("<Q", data, descriptor + 16)[0]
while at < end:
    found, _, size = struct.unpack_from("<IIQ", data, at)
    at += 16
    if found == int(tag):
        break
    at += (size + 7) // 8 * 8
else:
    sys.exit(f"{source} has no table {tag}")
scope = {"o": json.loads(data[at:at + size].rstrip(b"\0")), "text": None}
exec(statement, scope)
text = scope["text"]
if text is None:
    text = json.dumps(scope["o"], separators=(",", ":"))
text = text.encode()
assert len(text) <= size, f"{len(text)} bytes for a table of {size}"
data[at:at + size] = text.ljust(size)

place = descriptor + 32  # adze_model_desc.hash
digest = hashlib.sha256(data[:place] + data[place + 32:weights]
                        + data[weights + weight_bytes:]).digest()
data[place:place + 32] = digest
open(target, "wb").write(data)
