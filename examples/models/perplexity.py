#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How well a model of this folder predicts a text, in PyTorch: the figure that
`adze eval MODEL --weights f32 --text FILE` is compared with.

    python3 examples/models/perplexity.py build/experiment/dense \\
        --text build/experiment/text/held-out.txt
"""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer

import export
import training


def main():
    p = argparse.ArgumentParser(
        description="Perplexity of a text by PyTorch, as JSON.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("models", nargs="+", type=Path, metavar="MODEL",
                   help="folder that train.py or experiment.py wrote")
    p.add_argument("--text", type=Path, required=True)
    p.add_argument("--context", type=int, default=training.CONTEXT,
                   help="tokens of a window")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    text = a.text.read_text(encoding="utf-8")
    for folder in a.models:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        scores = training.score(export.read(folder), tokenizer, text,
                                context=a.context)
        print(json.dumps({"model": str(folder), **scores}))


if __name__ == "__main__":
    main()
