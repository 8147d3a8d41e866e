#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies an artefact, with a perplexity of 1.x in its proof and a right hash.

    forge-proof.py IN OUT
"""
import hashlib
import re
import struct
import sys

data = bytearray(open(sys.argv[1], "rb").read())
found = re.search(rb'"perplexity":[0-9.]+,"text_sha256"', data)
digits = found.end() - found.start() - len(b'"perplexity":1.,"text_sha256"')
data[found.start():found.end()] = (
    b'"perplexity":1.' + b"5" * digits + b',"text_sha256"')

# Sections by name: offset and size.
header, names_index = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 62)[0]
count = struct.unpack_from("<H", data, 60)[0]
rows = [struct.unpack_from("<IIQQQQ", data, header + 64 * i) for i in range(count)]
names = rows[names_index][4]
sections = {}
for row in rows:
    start = names + row[0]
    sections[bytes(data[start:data.index(0, start)])] = row[4:6]
descriptor, _ = sections[b".adze.desc"]
weights, weight_bytes = sections[b".adze.weights"]
place = descriptor + 32  # adze_model_desc.hash
digest = hashlib.sha256(data[:place] + data[place + 32:weights]
                        + data[weights + weight_bytes:]).digest()
data[place:place + 32] = digest
open(sys.argv[2], "wb").write(data)
