#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Train `bard`, the small Llama that ships with Adze.

    pip install -r examples/models/requirements.txt
    nice python3 examples/models/train.py --data ../shared/data

writes a Hugging Face directory (examples/models/bard) in well under an hour
on two CPU cores. The working folder (--work) holds the split, the held-out
text, the log and a checkpoint: a run that was interrupted continues where it
stopped, with the same random numbers.

How it is trained is in training.py.
"""

import argparse
import os
from pathlib import Path

import torch

import corpus
import export
import training
from llama import Config, Llama

HERE = Path(__file__).resolve().parent


def parse_arguments():
    p = argparse.ArgumentParser(
        description="Train the model that ships with Adze.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    data = os.environ.get("ADZE_TEST_DATA",
                          HERE.parents[1] / ".." / "shared" / "data")
    p.add_argument("--data", type=Path, default=data,
                   help="folder with text/tinyshakespeare.txt and "
                   "text/tinystories_100.json")
    p.add_argument("--out", type=Path, default=HERE / "bard",
                   help="the Hugging Face directory to write")
    p.add_argument("--work", type=Path, default=Path("build/bard"),
                   help="split, held-out text, log and checkpoint")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, default=2400)
    p.add_argument("--batch", type=int, default=4096, help="tokens in a step")
    p.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--dropout", type=float, default=0.15)
    p.add_argument("--respell", type=float, default=0.15,
                   help="probability of undoing a merge, first phase")
    p.add_argument("--story-copies", type=int, default=3,
                   help="how often an epoch sees each story")
    p.add_argument("--vocabulary", type=int, default=1024)
    p.add_argument("--layers", type=int, default=Config.num_hidden_layers)
    p.add_argument("--hidden", type=int, default=Config.hidden_size)
    p.add_argument("--intermediate", type=int,
                   default=Config.intermediate_size)
    p.add_argument("--eval-every", type=int, default=200, help="in steps")
    p.add_argument("--checkpoint-every", type=int, default=200,
                   help="in steps")
    p.add_argument("--threads", type=int, default=2,
                   help="no more than there are idle cores: waiting for a "
                   "busy one costs more than it brings")
    return p.parse_args()


def main():
    a = parse_arguments()
    a.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)

    sources = corpus.load(a.data, a.seed, ["shakespeare", "stories"])
    corpus.write_held_out(sources, a.work)
    copies = {"shakespeare": 1, "stories": a.story_copies}
    tokenizer = training.make_tokenizer(a.work / "tokenizer.json", sources,
                                        a.vocabulary, copies)

    config = Config(vocab_size=a.vocabulary, hidden_size=a.hidden,
                    intermediate_size=a.intermediate,
                    num_hidden_layers=a.layers)
    model = Llama(config, a.dropout)
    training.describe(config, model, a)
    state = training.run(
        model, training.make_optimizers(model, a),
        training.Windows(sources, tokenizer, copies, a), sources, tokenizer,
        a, a.work,
        on_best=lambda average: export.write(a.out, average, tokenizer),
        precision=lambda: torch.autocast("cpu", torch.bfloat16))

    # What ships are the best weights, rounded: score and quote exactly those.
    shipped = export.read(a.out)
    scores = {s.name: training.evaluate(shipped, tokenizer, s)
              for s in sources}
    export.write_card(a.out, shipped, tokenizer, sources, scores, state, a)


if __name__ == "__main__":
    main()
