# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Write a trained model as the Hugging Face directory that ships.

Weights are rounded to bf16. Every file is written beside its place and then
renamed, so that an interrupted run leaves the last complete version.
"""

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import corpus
from llama import Config, Llama

# Seed 1 of each prompt is quoted in the card, whatever it says.
SAMPLING = {"temperature": 0.7, "top_p": 0.9}
PROMPTS = ["ROMEO:\n", "KING RICHARD III:\nNow", "Once upon a time"]


def _place(folder: Path, name: str, save) -> None:
    beside = folder / (name + ".new")
    save(beside)
    beside.chmod(0o644)
    os.replace(beside, folder / name)


def place_text(folder: Path, name: str, text: str) -> None:
    _place(folder, name, lambda path: path.write_text(text, encoding="utf-8"))


def place_json(folder: Path, name: str, value) -> None:
    place_text(folder, name, json.dumps(value, indent=2) + "\n")


def write(folder: Path, model: Llama, tokenizer) -> None:
    """Weights, configuration and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    bos, eos = (tokenizer.token_to_id(t) for t in (corpus.BOS, corpus.EOS))
    tensors = {name: value.to(torch.bfloat16).contiguous()
               for name, value in model.state_dict().items()}
    _place(folder, "model.safetensors", lambda path: save_file(
        tensors, path, metadata={"format": "pt"}))
    _place(folder, "tokenizer.json", lambda path: tokenizer.save(str(path)))
    place_json(folder, "config.json",
                model.config.to_hugging_face(bos, eos))
    # A passage of Shakespeare has no end in the training data: what says that
    # it is over is that another document begins, so that stops a text too.
    place_json(folder, "generation_config.json", {
        "bos_token_id": bos, "eos_token_id": [eos, bos], "do_sample": True,
        **SAMPLING})
    place_json(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": corpus.BOS, "eos_token": corpus.EOS,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model.config.max_position_embeddings})


def read(folder: Path) -> Llama:
    """The model as it ships: values that went through bf16."""
    config = json.loads((folder / "config.json").read_text())
    model = Llama(Config(**{key: config[key]
                            for key in Config.__dataclass_fields__}))
    model.load_state_dict({name: value.float() for name, value in load_file(
        folder / "model.safetensors").items()})
    return model.eval()


def write_card(folder, model, tokenizer, sources, scores, state, arguments):
    """README.md for people, training.json for scripts."""
    recipe = {name: value for name, value in vars(arguments).items()
              if name not in ("data", "out", "work", "threads")}
    place_json(folder, "training.json", {
        "script": "examples/models/train.py", "arguments": recipe,
        "best_step": state["best_step"],
        "split": corpus.describe_split(sources, arguments.seed),
        "held_out": scores, "torch": torch.__version__})

    stops = [tokenizer.token_to_id(t) for t in (corpus.EOS, corpus.BOS)]
    samples = ""
    for prompt in PROMPTS:
        ids = model.generate(tokenizer.encode(prompt).ids, 160, stops,
                             seed=1, **SAMPLING)
        text = tokenizer.decode(ids).rstrip()
        samples += f"```text\n{text}\n```\n\n"
    rows = "".join(
        f"| {name} | {s['tokens']:,} | {s['perplexity']:.2f} | "
        f"{s['bits_per_byte']:.3f} |\n" for name, s in scores.items())
    c = model.config
    place_text(folder, "README.md", CARD.format(
        parameters=sum(p.numel() for p in model.parameters()), c=c,
        rows=rows, samples=samples.rstrip(), step=state["best_step"],
        steps=arguments.steps, minutes=state["seconds"] / 60,
        copies=arguments.story_copies, seed=arguments.seed,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6,
        **SAMPLING))


CARD = """# bard

A small language model that writes verse like Shakespeare and stories for
children, neither of them very well. It ships with Adze so that a first run
needs no download, and is an ordinary Hugging Face directory.

| | |
|---|---|
| architecture | LlamaForCausalLM, {parameters:,} parameters, bf16, {megabytes:.1f} MB |
| shape | {c.num_hidden_layers} layers, hidden {c.hidden_size}, MLP {c.intermediate_size}, {c.num_attention_heads} heads of {c.head_dim} ({c.num_key_value_heads} for keys and values), tied embeddings |
| context | {c.max_position_embeddings} tokens |
| tokenizer | byte-level BPE, {c.vocab_size} tokens, the pre-tokenizer of Llama 3 |
| sampling | temperature {temperature}, top-p {top_p} (generation_config.json) |

It speaks in speeches: begin a prompt with a name from the plays in capitals,
a colon and a new line, or with "Once upon a time".

## Held-out text

| source | tokens | perplexity | bits per byte |
|---|---|---|---|
{rows}
One passage or story in ten, never trained on and used only to decide when to
stop: windows of {c.max_position_embeddings} tokens that do not overlap, the beginning-of-text token
before each, in float32 with the weights that ship.

## Samples

The first seed of each prompt, not a choice.

{samples}

## Data and training

- `tinyshakespeare` (1.1 MB; the plays are in the public domain), in passages
  of 24 speeches;
- 100 stories of TinyStories (79 KB; Eldan and Li, CDLA-Sharing-1.0), each
  seen {copies} times per epoch, their damaged quotation marks repaired.

Neither is part of this repository. `examples/models/train.py` (seed {seed})
reads them, holds out a tenth, trains the tokenizer and the model from scratch
and writes this folder: steps of 4096 tokens, here the weights of step {step} of
{steps}, after {minutes:.0f} minutes on two shared CPU cores. `training.json` has every setting, and the
indices of the held-out documents, from which the script rebuilds their text
(`held-out-*.txt` in its working folder).

The weights are under the licence of this repository.
"""
