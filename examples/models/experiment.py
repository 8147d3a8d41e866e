#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Train the models that methods of compression are compared on: one dense
Llama, its sparse versions, retrained from it, and as what they are to be
compared with, the dense one trained for as many steps more.

    pip install -r examples/models/requirements.txt
    nice python3 examples/models/experiment.py --data ../shared/data

writes five Hugging Face directories (build/experiment/{dense,longer,sparse24,
blocks50,blocks75}) and the texts to compare them on (build/experiment/text).
They are not part of the repository. A run that was interrupted continues where
it stopped; what is finished is left alone.

All others start from the best dense weights and take a quarter of the steps.
In sparse ones zeros are set by size on a schedule in the first half
(sparsity.py), then the masks are fixed.
"""

import argparse
import json
import math
import os
import random
import time
from pathlib import Path

import torch

import corpus
import export
import training
from llama import Config, Llama
from sparsity import PATTERNS, Masks

HERE = Path(__file__).resolve().parent
NAMES = ["dense", "longer", *PATTERNS]
SOURCES = ["shakespeare", "stories", "wikitext"]
CALIBRATION_TEXTS = 3


def parse_arguments():
    p = argparse.ArgumentParser(
        description="Train the models of docs/experiments.md.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    data = os.environ.get("ADZE_TEST_DATA",
                          HERE.parents[1] / ".." / "shared" / "data")
    p.add_argument("models", nargs="*", default=NAMES, metavar="MODEL",
                   help=f"of {', '.join(NAMES)}; all others need dense")
    p.add_argument("--data", type=Path, default=data,
                   help="folder with text/tinyshakespeare.txt, "
                   "text/tinystories_100.json and text/wikitext2-valid.txt")
    p.add_argument("--out", type=Path, default=Path("build/experiment"),
                   help="a folder for each model, text/ and work/ "
                   "(logs and checkpoints)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, default=1500,
                   help="of the dense model")
    p.add_argument("--batch", type=int, default=4096, help="tokens in a step")
    p.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    p.add_argument("--sparse-rate", type=float, default=1.5e-3,
                   help="learning rate of retraining")
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--dropout", type=float, default=0.05)
    p.add_argument("--respell", type=float, default=0.05,
                   help="probability of undoing a merge, first phase")
    p.add_argument("--story-copies", type=int, default=3,
                   help="how often an epoch sees each story")
    p.add_argument("--vocabulary", type=int, default=2048)
    p.add_argument("--layers", type=int, default=6)
    p.add_argument("--eval-every", type=int, default=100, help="in steps")
    p.add_argument("--checkpoint-every", type=int, default=25,
                   help="in steps")
    p.add_argument("--threads", type=int, default=2,
                   help="no more than there are idle cores")
    a = p.parse_args()
    for name in a.models:
        if name not in NAMES:
            p.error(f"no model {name}: there are {', '.join(NAMES)}")
    return a


def write_texts(sources, folder, seed):
    """Held-out text, by source and as one; and texts to calibrate on, which
    are disjoint parts of the training documents in a seeded order."""
    corpus.write_held_out(sources, folder)
    (folder / "held-out.txt").write_text("\n\n".join(
        corpus.join(s, s.held_out) for s in sources), encoding="utf-8")
    documents = [d for s in sources for d in s.train]
    random.Random(f"calibration {seed}").shuffle(documents)
    for i in range(CALIBRATION_TEXTS):
        (folder / f"calibration-{i + 1}.txt").write_text("\n\n".join(
            d.strip() for d in documents[i::CALIBRATION_TEXTS]),
            encoding="utf-8")


def bits_of_all(scores):
    """Bits per byte of all held-out text."""
    bits = sum(s["tokens"] * s["nats_per_token"] for s in scores.values())
    count = sum(s["tokens"] * s["nats_per_token"] / s["bits_per_byte"]
                for s in scores.values())
    return bits / count


def total(scores):
    tokens = sum(s["tokens"] for s in scores.values())
    nats = sum(s["tokens"] * s["nats_per_token"] for s in scores.values())
    return {"tokens": tokens, "nats_per_token": nats / tokens,
            "perplexity": math.exp(nats / tokens),
            "bits_per_byte": bits_of_all(scores)}


def zeros(model):
    """The share of zeros in each kind of weight inside the layers."""
    counts = {}
    for name, weight in Masks.weights(model):
        count = counts.setdefault(name.split(".")[-2], [0, 0])
        count[0] += (weight == 0).sum().item()
        count[1] += weight.numel()
    return {kind: zero / of for kind, (zero, of) in counts.items()}


def train(name, sources, tokenizer, copies, a):
    out, work = a.out / name, a.out / "work" / name
    if (out / "training.json").exists():
        print(f"{name}: there already", flush=True)
        return
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    a = argparse.Namespace(**vars(a))
    config = Config(vocab_size=a.vocabulary, hidden_size=256,
                    intermediate_size=768, num_hidden_layers=a.layers,
                    num_attention_heads=8, num_key_value_heads=4)
    model, masks = Llama(config, a.dropout), None
    if name != "dense":
        model.load_state_dict(torch.load(a.out / "work/dense/best.pt"))
        if name in PATTERNS:
            masks = Masks(PATTERNS[name], model)
        a.steps, a.rate = a.steps // 4, a.sparse_rate
        a.eval_every = min(a.eval_every, max(1, a.steps // 6))
    print(f"{name}: ", end="")
    training.describe(config, model, a)

    def keep(average):
        training.atomic_save(average.state_dict(), work / "best.pt")
        export.write(out, average, tokenizer)

    cpu = time.process_time()
    state = training.run(
        model, training.make_optimizers(model, a, f32=True),
        training.Windows(sources, tokenizer, copies, a), sources, tokenizer,
        a, work, keep, criterion=bits_of_all, masks=masks)
    cpu = time.process_time() - cpu

    shipped = export.read(out)
    if masks:
        masks.verify(shipped)
    scores = {s.name: training.evaluate(shipped, tokenizer, s)
              for s in sources}
    scores["all"] = total(scores)
    recipe = {key: value for key, value in vars(a).items()
              if key not in ("data", "out", "models", "threads")}
    export.place_text(out, "README.md", card(name, shipped, scores, state, a))
    export.place_json(out, "training.json", {
        "script": "examples/models/experiment.py", "model": name,
        "arguments": recipe, "best_step": state["best_step"],
        "minutes": round(state["seconds"] / 60, 1),
        "cpu_minutes_since_last_start": round(cpu / 60, 1),
        "zeros": zeros(shipped),
        "split": corpus.describe_split(sources, a.seed), "held_out": scores,
        "torch": torch.__version__})
    print(json.dumps({name: scores["all"]}), flush=True)


def card(name, model, scores, state, a):
    c = model.config
    what = {
        "dense": "The dense model.",
        "longer": "The dense model, trained as much longer as the sparse "
        "ones were.",
        "sparse24": "2:4: of 4 consecutive inputs of an output, 2 have "
        "weights; embeddings are dense.",
        "blocks50": "Of the blocks of 16 outputs x 32 inputs of each linear, "
        "half are zero, the same number in each 16 outputs; embeddings are "
        "dense.",
        "blocks75": "Of the blocks of 16 outputs x 32 inputs of each linear, "
        "three quarters are zero, the same number in each 16 outputs; "
        "embeddings are dense."}[name]
    rows = "".join(
        f"| {key} | {s['tokens']:,} | {s['perplexity']:.2f} | "
        f"{s['bits_per_byte']:.3f} |\n" for key, s in scores.items())
    return CARD.format(
        name=name, what=what, c=c, rows=rows, steps=a.steps,
        parameters=sum(p.numel() for p in model.parameters()),
        step=state["best_step"], minutes=state["seconds"] / 60,
        batch=a.batch, seed=a.seed)


CARD = """# experiment/{name}

{what} One of the models that Adze's methods of compression are compared on
(docs/experiments.md); built by `examples/models/experiment.py`.

| | |
|---|---|
| architecture | LlamaForCausalLM, {parameters:,} parameters with zeros, bf16 |
| shape | {c.num_hidden_layers} layers, hidden {c.hidden_size}, MLP {c.intermediate_size}, {c.num_attention_heads} heads of {c.head_dim} ({c.num_key_value_heads} for keys and values), tied embeddings |
| context | {c.max_position_embeddings} tokens |
| tokenizer | byte-level BPE, {c.vocab_size} tokens, the pre-tokenizer of Llama 3 |

| held-out text | tokens | perplexity | bits per byte |
|---|---|---|---|
{rows}
One passage, story or article in ten, never trained on and used only to decide
when to stop: windows of {c.max_position_embeddings} tokens that do not overlap, the beginning-of-text
token before each, in float32 with these weights.

Trained with seed {seed} in steps of {batch} tokens: the weights of step {step} of
{steps}, after {minutes:.0f} minutes. Text: tinyshakespeare (public domain), 100 stories of
TinyStories (CDLA-Sharing-1.0), WikiText-2 validation (CC BY-SA 3.0).
"""


def main():
    a = parse_arguments()
    torch.set_num_threads(a.threads)
    (a.out / "work").mkdir(parents=True, exist_ok=True)
    sources = corpus.load(a.data, a.seed, SOURCES)
    write_texts(sources, a.out / "text", a.seed)
    copies = {name: 1 for name in SOURCES} | {"stories": a.story_copies}
    tokenizer = training.make_tokenizer(a.out / "work" / "tokenizer.json",
                                        sources, a.vocabulary, copies)
    for name in a.models:
        train(name, sources, tokenizer, copies, a)


if __name__ == "__main__":
    main()
