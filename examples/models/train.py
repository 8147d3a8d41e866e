#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Train `bard`, the small Llama that ships with Adze.

    pip install -r examples/models/requirements.txt
    nice python3 examples/models/train.py --data ../shared/data

writes a Hugging Face directory (examples/models/bard) in well under an hour
on two CPU cores. The working folder (--work) holds the split, the held-out
text, the log and a checkpoint: a run that was interrupted continues where it
stopped, with the same random numbers.

The corpus is about 1.1 MB, so everything here is against overfitting: dropout,
weight decay, a spelling of the text that changes in each epoch,
an average over the last weights, and the version of those that was best on
the held-out tenth. Training has two phases: short windows, respelled, which
is most of the learning at less than half the cost of attention; then whole
windows in the spelling that the tokenizer will use.
"""

import argparse
import contextlib
import copy
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import corpus
import export
from llama import Config, Llama

HERE = Path(__file__).resolve().parent
CONTEXT = 512
SHORT_CONTEXT = 256
SHORT_PHASE = 0.7  # of all steps


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
    p.add_argument("--threads", type=int, default=2,
                   help="no more than there are idle cores: waiting for a "
                   "busy one costs more than it brings")
    return p.parse_args()


class Windows:
    """An endless, reproducible stream of training batches.

    An epoch is every document once (stories several times) in a new order and,
    in the first phase, a new spelling, joined and cut into windows. A window
    begins with the beginning-of-text token wherever it was cut: that is how
    every prompt and every evaluation window begins.
    """

    def __init__(self, sources, tokenizer, arguments):
        self.encoder = corpus.Encoder(tokenizer)
        copies = {"shakespeare": 1, "stories": arguments.story_copies}
        self.documents = [ids for s in sources for ids in self.encoder(
            s, s.train * copies[s.name])]
        self.respell = arguments.respell
        self.short_steps = SHORT_PHASE * arguments.steps
        self.batch = arguments.batch
        self.rng = np.random.default_rng(arguments.seed)
        self.epoch = 0
        self.context = 0
        self.queue = np.empty((0, 0), np.int64)

    def state(self):
        return (self.rng, self.epoch, self.context, self.queue)

    def restore(self, state):
        self.rng, self.epoch, self.context, self.queue = state

    def refill(self, short):
        self.context = SHORT_CONTEXT if short else CONTEXT
        order = self.rng.permutation(len(self.documents))
        stream = np.concatenate([self.documents[i] for i in order])
        if short:
            stream = self.encoder.respell(stream, self.respell, self.rng)
        first = self.rng.integers(self.context)
        starts = self.rng.permutation(
            np.arange(first, len(stream) - self.context, self.context))
        self.queue = np.stack([stream[i:i + self.context + 1]
                               for i in starts])
        self.epoch += 1

    def next(self, step):
        """Inputs and targets of one step."""
        short = step < self.short_steps
        if (len(self.queue) * self.context < self.batch
                or short != (self.context == SHORT_CONTEXT)):
            self.refill(short)
        count = self.batch // self.context
        windows = torch.from_numpy(self.queue[:count].copy())
        self.queue = self.queue[count:]
        windows[:, 0] = self.encoder.bos
        return windows[:, :-1], windows[:, 1:]


@torch.no_grad()
def evaluate(model, tokenizer, source, precision=contextlib.nullcontext):
    """Held-out nats per token and bits per byte: windows that do not overlap,
    BOS before each, BOS itself not scored (as `adze eval` does)."""
    bos = tokenizer.token_to_id(corpus.BOS)
    separator = "\n\n" if source.complete else ""
    text = separator.join(source.held_out)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    size = CONTEXT - 1
    windows = [[bos] + ids[i:i + size]
               for i in range(0, len(ids), size)]
    nats = 0.0
    model.eval()
    for window in windows:
        window = torch.tensor([window])
        with precision():
            logits = model(window[:, :-1])
        nats += F.cross_entropy(logits[0].float(), window[0, 1:],
                                reduction="sum").item()
    model.train()
    return {"tokens": len(ids), "nats_per_token": nats / len(ids),
            "perplexity": math.exp(nats / len(ids)),
            "bits_per_byte": nats / math.log(2) / len(text.encode())}


def make_optimizers(model, arguments):
    """Muon for the matrices inside the layers, AdamW for the rest."""
    embedding = [model.model.embed_tokens.weight]
    matrices = [p for p in model.model.layers.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    return [
        torch.optim.Muon(matrices, lr=arguments.rate,
                         weight_decay=arguments.weight_decay,
                         adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            [{"params": embedding, "weight_decay": arguments.weight_decay},
             {"params": norms, "weight_decay": 0.0}],
            lr=arguments.rate, betas=(0.9, 0.95)),
    ]


def rate_factor(step, steps):
    """Linear warm-up, then a cosine down to a hundredth."""
    warm_up = min(100, steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    progress = (step - warm_up) / (steps - warm_up)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def atomic_save(value, path):
    beside = path.with_suffix(".new")
    torch.save(value, beside)
    beside.rename(path)


def main():
    a = parse_arguments()
    a.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)

    sources = corpus.load(a.data, a.seed)
    corpus.write_held_out(sources, a.work)
    tokenizer_file = a.work / "tokenizer.json"
    if not tokenizer_file.exists():
        corpus.train_tokenizer(
            sources, a.vocabulary,
            {"shakespeare": 1, "stories": a.story_copies},
        ).save(str(tokenizer_file))
    tokenizer = Tokenizer.from_file(str(tokenizer_file))

    config = Config(vocab_size=a.vocabulary, hidden_size=a.hidden,
                    intermediate_size=a.intermediate,
                    num_hidden_layers=a.layers)
    model = Llama(config, a.dropout)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizers = make_optimizers(model, a)
    rates = [[g["lr"] for g in o.param_groups] for o in optimizers]
    windows = Windows(sources, tokenizer, a)
    bf16 = lambda: torch.autocast("cpu", torch.bfloat16)  # noqa: E731
    state = {"step": 0, "best": math.inf, "best_step": 0, "seconds": 0.0}
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, "
          f"vocabulary {config.vocab_size}, {a.steps} steps of "
          f"{a.batch} tokens", flush=True)

    checkpoint = a.work / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        for optimizer, value in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(value)
        windows.restore(saved["windows"])
        torch.set_rng_state(saved["torch_rng"])
        state = saved["state"]
        print(f"continuing at step {state['step']}", flush=True)

    begin = time.monotonic() - state["seconds"]
    recent = []
    while state["step"] < a.steps:
        step = state["step"]
        for optimizer, base in zip(optimizers, rates):
            for group, rate in zip(optimizer.param_groups, base):
                group["lr"] = rate * rate_factor(step, a.steps)
        ids, targets = windows.next(step)
        with bf16():
            logits = model(ids)
        loss = F.cross_entropy(logits.flatten(0, 1).float(),
                               targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = min(0.995, (1 + step) / (10 + step))
        for kept, current in zip(average.parameters(), model.parameters()):
            kept.lerp_(current.detach(), 1 - decay)
        recent.append(loss.item())
        state["step"] = step = step + 1

        if step % a.eval_every and step != a.steps:
            continue
        scores = {s.name: evaluate(average, tokenizer, s, bf16)
                  for s in sources}
        state["seconds"] = time.monotonic() - begin
        # Both voices count the same, however different their amounts of text.
        mean = sum(s["bits_per_byte"] for s in scores.values()) / len(scores)
        better = mean < state["best"]
        if better:
            state["best"], state["best_step"] = mean, step
            export.write(a.out, average, tokenizer)
        entry = {"step": step, "epoch": windows.epoch,
                 "seconds": round(state["seconds"]),
                 "train_nats": round(sum(recent) / len(recent), 4),
                 **{n: round(s["bits_per_byte"], 4)
                    for n, s in scores.items()},
                 "mean": round(mean, 4), "best": better}
        recent = []
        print(json.dumps(entry), flush=True)
        with open(a.work / "log.jsonl", "a") as log:
            log.write(json.dumps(entry) + "\n")
        atomic_save({
            "model": model.state_dict(), "average": average.state_dict(),
            "optimizers": [o.state_dict() for o in optimizers],
            "windows": windows.state(),
            "torch_rng": torch.get_rng_state(), "state": state}, checkpoint)

    # What ships are the best weights, rounded: score and quote exactly those.
    shipped = export.read(a.out)
    scores = {s.name: evaluate(shipped, tokenizer, s) for s in sources}
    export.write_card(a.out, shipped, tokenizer, sources, scores, state, a)


if __name__ == "__main__":
    main()
