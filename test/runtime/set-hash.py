#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fills the hashes of an artefact in: of every weight, then of the file.

Written from adze/abi.h alone, so that it also checks the runtime's reader.
usage: set-hash.py FILE
"""
import hashlib
import struct
import sys

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F,
                      0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)


def rotate(x, n):
    return ((x << n) | (x >> (64 - n))) & MASK


def mix(lane, value):
    return rotate((lane + value * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    at, n = 0, len(data)
    if n >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while n - at >= 32:
            lanes = [mix(lane, value) for lane, value in
                     zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        h = sum(rotate(l, r) for l, r in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + n) & MASK
    while n - at >= 8:
        h ^= mix(0, struct.unpack_from("<Q", data, at)[0])
        h = (rotate(h, 27) * P1 + P4) & MASK
        at += 8
    if n - at >= 4:
        h ^= struct.unpack_from("<I", data, at)[0] * P1 & MASK
        h = (rotate(h, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ (byte * P5 & MASK), 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


def sections(data):
    shoff, = struct.unpack_from("<Q", data, 0x28)
    entry, count, names = struct.unpack_from("<HHH", data, 0x3A)
    rows = [struct.unpack_from("<IIQQQQ", data, shoff + i * entry)
            for i in range(count)]
    base = rows[names][4]
    for name, _, _, _, offset, size in rows:
        end = data.index(b"\0", base + name)
        yield data[base + name:end].decode(), offset, size


def main():
    path = sys.argv[1]
    with open(path, "rb") as file:
        data = bytearray(file.read())
    found = {name: (offset, size) for name, offset, size in sections(data)}
    desc, _ = found[".adze.desc"]
    weights, weights_size = found[".adze.weights"]
    assert weights % 4096 == 0, "weights are not page aligned"
    size, = struct.unpack_from("<Q", data, desc + 16)
    at = 64
    while at < size:
        tag, _, count = struct.unpack_from("<IIQ", data, desc + at)
        at += 16
        if tag == 9:
            for row in range(desc + at, desc + at + count, 64):
                offset, n = struct.unpack_from("<QQ", data, row + 32)
                begin = weights + offset
                struct.pack_into("<Q", data, row + 48,
                                 xxh64(bytes(data[begin:begin + n])))
        at += (count + 7) // 8 * 8
    hash_at = desc + 32
    assert weights > hash_at
    kept = (data[:hash_at] + data[hash_at + 32:weights] +
            data[weights + weights_size:])
    data[hash_at:hash_at + 32] = hashlib.sha256(kept).digest()
    with open(path, "wb") as file:
        file.write(data)


main()
