#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random blocks of every GGUF type that Adze reads, and what the `gguf` package
decodes them to: the independent reference of #adze.gguf.

    pip install gguf==0.19.0 numpy
    python3 test/scripts/formats/make_gguf_blocks.py test/dialects/gguf

For each type TYPE.blocks has the rows as in a file and TYPE.npy their float32
values. All bytes are random (every code and sub scale occurs), the 16-bit scales
are random finite ones of both signs, among them zeros and subnormals.
"""

import pathlib
import sys

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

ROWS, COLUMNS = 5, 512
# Where a block has its f16 scale and minimum.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2],
          T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2],
          T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0],
          T.MXFP4: []}


def blocks(kind, random):
    elements, size = GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (ROWS * COLUMNS // elements, size),
                           dtype=np.uint8)
    for at in HALVES[kind]:
        scales = (random.standard_normal(len(data)) * 0.05).astype(np.float16)
        scales[:: max(len(data) // 3, 2)] = np.float16(3e-6)  # subnormal
        scales[-1] = 0
        data[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    if kind == T.MXFP4:
        data[:, 0] = random.integers(110, 140, len(data))
        data[:3, 0] = 0, 1, 2
    return data.reshape(ROWS, -1)


def main():
    folder = pathlib.Path(sys.argv[1])
    for kind in HALVES:
        data = blocks(kind, np.random.default_rng(kind.value))
        values = gguf.quants.dequantize(data, kind)
        assert values.shape == (ROWS, COLUMNS) and np.isfinite(values).all()
        name = kind.name.lower()
        (folder / f"{name}.blocks").write_bytes(data.tobytes())
        np.save(folder / f"{name}.npy", values.astype(np.float32))


if __name__ == "__main__":
    main()
