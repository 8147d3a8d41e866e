# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The text that the models learn from: reading, cleaning, splitting,
tokenizing.

The corpus is a list of documents, each of them one TinyStories story, one
passage of Shakespeare (a run of whole speeches) or one article of WikiText.
Every tenth document, chosen by a seeded shuffle within each source, is held
out and never trained on; the tokenizer is trained on the training documents
only. The text itself is not part of the repository: whoever has the data
folder rebuilds the same split.
"""

import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tokenizers import (Regex, Tokenizer, decoders, models, pre_tokenizers,
                        processors, trainers)

BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"
SPEECHES_PER_PASSAGE = 24

# The pre-tokenizer of Llama 3. A run of punctuation takes the newlines that
# follow it, so that ",\n" and ":\n", the joints of verse, can be one token.
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


@dataclass
class Source:
    """One data set: its documents, and whether a document has an end."""

    name: str
    complete: bool  # a story ends; a passage is only cut off
    train: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    held_out_indices: list[int] = field(default_factory=list)


def read_stories(path: Path) -> list[str]:
    """TinyStories, with the quotation marks that were decoded with the wrong
    code page repaired (the third mark lost its last byte altogether)."""
    repairs = {"\u00e2\u20ac\u0153": '"', "\u00e2\u20ac\u2122": "'",
               "\u00e2\u20ac": '"'}
    stories = []
    for story in json.loads(path.read_text(encoding="utf-8")):
        for wrong, right in repairs.items():
            story = story.replace(wrong, right)
        stories.append(story.strip())
    return stories


def read_passages(path: Path) -> list[str]:
    """Shakespeare in passages of whole speeches, each ready to be followed by
    another one."""
    speeches = path.read_text(encoding="utf-8").strip().split("\n\n")
    return ["\n\n".join(speeches[i:i + SPEECHES_PER_PASSAGE]) + "\n\n"
            for i in range(0, len(speeches), SPEECHES_PER_PASSAGE)]


def read_articles(path: Path) -> list[str]:
    """WikiText, cut before each title of the first level (` = Title = `), with
    the marks that its tokenization put inside words and numbers undone."""
    text = re.sub(r" @([-,.])@ ", r"\1", path.read_text(encoding="utf-8"))
    articles = re.split(r"(?m)^(?= = [^=\n]+ = $)", text)
    return [article.strip() for article in articles if article.strip()]


def split(source: Source, documents: list[str], seed: int) -> Source:
    """Hold out one document in ten."""
    order = list(range(len(documents)))
    random.Random(f"{source.name} {seed}").shuffle(order)
    held_out = set(order[:len(documents) // 10])
    source.held_out_indices = sorted(held_out)
    for index, document in enumerate(documents):
        (source.held_out if index in held_out else source.train).append(
            document)
    return source


READERS = {  # source: file, whether its documents are complete, reader
    "shakespeare": ("tinyshakespeare.txt", False, read_passages),
    "stories": ("tinystories_100.json", True, read_stories),
    "wikitext": ("wikitext2-valid.txt", True, read_articles),
}


def load(data: Path, seed: int, names: list[str]) -> list[Source]:
    sources = []
    for name in names:
        file, complete, read = READERS[name]
        sources.append(split(Source(name, complete),
                             read(data / "text" / file), seed))
    return sources


def describe_split(sources: list[Source], seed: int) -> dict:
    """The split as document indices: enough to rebuild the held-out text."""
    return {"seed": seed, "speeches_per_passage": SPEECHES_PER_PASSAGE,
            "held_out_documents": {s.name: s.held_out_indices
                                   for s in sources}}


def join(source: Source, documents: list[str]) -> str:
    return ("\n\n" if source.complete else "").join(documents)


def write_held_out(sources: list[Source], folder: Path) -> None:
    """The held-out text itself, one file per source, for `adze eval --text`."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        (folder / f"held-out-{source.name}.txt").write_text(
            join(source, source.held_out), encoding="utf-8")


def train_tokenizer(sources: list[Source], vocabulary: int,
                    copies: dict[str, int]) -> Tokenizer:
    """A byte-level BPE in the form Llama 3 ships it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[BOS, EOS], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(
        (text for s in sources for text in s.train * copies[s.name]), trainer)
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single=f"{BOS} $A", pair=f"{BOS} $A {BOS}:1 $B:1",
            special_tokens=[(BOS, bos)]),
    ])
    return tokenizer


class Encoder:
    """Documents to ids, and ids to another spelling of the same text."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.bos = tokenizer.token_to_id(BOS)
        self.eos = tokenizer.token_to_id(EOS)
        # The two tokens that each token was merged from; -1 for the letters.
        self.parts = np.full((tokenizer.get_vocab_size(), 2), -1)
        for pair in json.loads(tokenizer.to_str())["model"]["merges"]:
            self.parts[tokenizer.token_to_id("".join(pair))] = [
                tokenizer.token_to_id(part) for part in pair]

    def __call__(self, source: Source, documents: list[str]):
        end = [self.eos] if source.complete else []
        return [np.array([self.bos] + e.ids + end)
                for e in self.tokenizer.encode_batch(
                    documents, add_special_tokens=False)]

    def respell(self, ids, probability: float, rng):
        """Undo merges at random, so that a small corpus is spelled anew in
        each epoch (the idea of BPE dropout, with random numbers of ours)."""
        for _ in range(3):
            halve = ((self.parts[ids, 0] >= 0)
                     & (rng.random(len(ids)) < probability))
            first = np.arange(len(ids)) + np.cumsum(halve) - halve
            longer = np.repeat(ids, 1 + halve)
            longer[first[halve]] = self.parts[ids[halve], 0]
            longer[first[halve] + 1] = self.parts[ids[halve], 1]
            ids = longer
        return ids
