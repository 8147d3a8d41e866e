# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the training scripts share: batches, optimizers, and a loop that
evaluates, keeps the best weights and can be interrupted.

The corpora are small, so everything here is against overfitting: dropout,
weight decay, a spelling of the text that changes in each epoch,
an average over the last weights, and the version of those that was best on
the held-out tenth. Training has two phases: short windows, respelled, which
is most of the learning at less than half the cost of attention; then whole
windows in the spelling that the tokenizer will use.
"""

import contextlib
import copy
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import corpus

CONTEXT = 512
SHORT_CONTEXT = 256
SHORT_PHASE = 0.7  # of all steps


def make_tokenizer(file, sources, vocabulary, copies):
    """The tokenizer in `file`, trained first where there is none."""
    if not file.exists():
        corpus.train_tokenizer(sources, vocabulary, copies).save(str(file))
    return Tokenizer.from_file(str(file))


class Windows:
    """An endless, reproducible stream of training batches.

    An epoch is every document once (stories several times) in a new order and,
    in the first phase, a new spelling, joined and cut into windows. A window
    begins with the beginning-of-text token wherever it was cut: that is how
    every prompt and every evaluation window begins.
    """

    def __init__(self, sources, tokenizer, copies, arguments):
        self.encoder = corpus.Encoder(tokenizer)
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
def score(model, tokenizer, text, precision=contextlib.nullcontext,
          context=CONTEXT):
    """Nats per token and bits per byte of a text: windows that do not overlap,
    BOS before each, BOS itself not scored (as `adze eval` does)."""
    bos = tokenizer.token_to_id(corpus.BOS)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    size = context - 1
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


def evaluate(model, tokenizer, source, precision=contextlib.nullcontext):
    """The score of a source's held-out text."""
    return score(model, tokenizer, corpus.join(source, source.held_out),
                 precision)


class Muon32(torch.optim.Optimizer):
    """Muon (momentum, orthogonalized by Newton and Schulz's iteration) in f32,
    all matrices of one shape at once: PyTorch's own multiplies in bf16, which
    takes three times as long on a CPU that has no instructions for it."""

    def __init__(self, matrices, lr, weight_decay, momentum=0.95):
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay,
                                    "momentum": momentum})

    @staticmethod
    def orthogonalize(g):
        tall = g.shape[-2] > g.shape[-1]
        x = g.mT if tall else g
        x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
        for _ in range(5):
            gram = x @ x.mT
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return x.mT if tall else x

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            # The root mean square of an update is that of AdamW's, about 0.2.
            for shape, matrices in shapes.items():
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                updates = []
                for p in matrices:
                    average = self.state[p].setdefault(
                        "momentum", torch.zeros_like(p))
                    average.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(average, group["momentum"]))
                for p, update in zip(matrices, self.orthogonalize(
                        torch.stack(updates))):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(update, alpha=rate)


def make_optimizers(model, arguments, f32=False):
    """Muon for the matrices inside the layers, AdamW for the rest."""
    embedding = [model.model.embed_tokens.weight]
    matrices = [p for p in model.model.layers.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    rates = {"lr": arguments.rate, "weight_decay": arguments.weight_decay}
    return [
        Muon32(matrices, **rates) if f32 else torch.optim.Muon(
            matrices, adjust_lr_fn="match_rms_adamw", **rates),
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


def describe(config, model, arguments):
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, "
          f"vocabulary {config.vocab_size}, {arguments.steps} steps of "
          f"{arguments.batch} tokens", flush=True)


def mean_of_sources(scores):
    """All voices count the same, however different their amounts of text."""
    return sum(s["bits_per_byte"] for s in scores.values()) / len(scores)


def run(model, optimizers, windows, sources, tokenizer, arguments, work,
        on_best, precision=contextlib.nullcontext, criterion=mean_of_sources,
        masks=None):
    """Train for `arguments.steps` steps and return the state at the end.

    `on_best(average)` is called with the averaged weights whenever `criterion`
    of their held-out scores is the least so far. A run that was interrupted
    continues from `work`/checkpoint.pt with the same random numbers. `masks`,
    where there are, hold weights at zero; nothing is evaluated before they are
    final.
    """
    a = arguments
    average = copy.deepcopy(model).requires_grad_(False)
    rates = [[g["lr"] for g in o.param_groups] for o in optimizers]
    state = {"step": 0, "best": math.inf, "best_step": 0, "seconds": 0.0,
             "recent": []}

    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        for optimizer, value in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(value)
        windows.restore(saved["windows"])
        torch.set_rng_state(saved["torch_rng"])
        state = saved["state"]
        if masks:
            masks.restore(saved["masks"])
        print(f"continuing at step {state['step']}", flush=True)

    begin = time.monotonic() - state["seconds"]
    while state["step"] < a.steps:
        step = state["step"]
        for optimizer, base in zip(optimizers, rates):
            for group, rate in zip(optimizer.param_groups, base):
                group["lr"] = rate * rate_factor(step, a.steps)
        if masks:
            masks.update(model, step / a.steps)
        ids, targets = windows.next(step)
        with precision():
            logits = model(ids)
        loss = F.cross_entropy(logits.flatten(0, 1).float(),
                               targets.flatten())
        loss.backward()
        if masks:
            masks.apply_to_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = min(0.995, (1 + step) / (10 + step))
        for kept, current in zip(average.parameters(), model.parameters()):
            kept.lerp_(current.detach(), 1 - decay)
        if masks:
            masks.apply(model)
            masks.apply(average)
        state["recent"].append(loss.item())
        state["step"] = step = step + 1

        evaluated = ((step % a.eval_every == 0 or step == a.steps)
                     and (masks is None or masks.final))
        if evaluated:
            scores = {s.name: evaluate(average, tokenizer, s, precision)
                      for s in sources}
            value = criterion(scores)
            better = value < state["best"]
            if better:
                state["best"], state["best_step"] = value, step
                on_best(average)
            recent = state["recent"]
            entry = {"step": step, "epoch": windows.epoch,
                     "seconds": round(time.monotonic() - begin),
                     "train_nats": round(sum(recent) / len(recent), 4),
                     **{n: round(s["bits_per_byte"], 4)
                        for n, s in scores.items()},
                     "criterion": round(value, 4), "best": better}
            state["recent"] = []
            print(json.dumps(entry), flush=True)
            with open(work / "log.jsonl", "a") as log:
                log.write(json.dumps(entry) + "\n")
        if evaluated or step % a.checkpoint_every == 0:
            state["seconds"] = time.monotonic() - begin
            atomic_save({
                "model": model.state_dict(), "average": average.state_dict(),
                "optimizers": [o.state_dict() for o in optimizers],
                "windows": windows.state(),
                "masks": masks.state() if masks else None,
                "torch_rng": torch.get_rng_state(), "state": state},
                checkpoint)
    return state
