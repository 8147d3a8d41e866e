# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the seeds of the tokenizer fuzzer into tokenizer/ beside this file.

The first byte says what the rest is: '@' a tokenizer.json, 'A' a SentencePiece
model, 'B' vocab.json and merges.txt, 'C' and 'G' words of a GGUF vocabulary.
"""

import json
import pathlib
import struct

folder = pathlib.Path(__file__).parent / "tokenizer"
folder.mkdir(exist_ok=True)


def byte_letters():
    """The 256 letters that stand for bytes in byte-level BPE."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    table = {b: chr(b) for b in plain}
    table.update({b: chr(0x100 + i) for i, b in enumerate(rest)})
    return [table[b] for b in range(256)]


def added(id, content, special):
    return {"id": id, "content": content, "special": special,
            "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False}


def byte_level():
    tokens = byte_letters() + ["th", "the", "Ġthe", "<|end|>"]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(259, "<|end|>", True)],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                          "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True,
                    "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False,
                  "vocab": {t: i for i, t in enumerate(tokens)},
                  "merges": ["t h", "th e", "Ġ the"]},
    }


def byte_fallback():
    tokens = (["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] +
              ["▁", "t", "h", "e", "th", "the", "▁the"])
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(0, "<unk>", True), added(1, "<s>", True),
                         added(2, "</s>", True)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True,
                  "vocab": {t: i for i, t in enumerate(tokens)},
                  "merges": ["t h", "th e", "▁ the"]},
    }


def field(number, wire, payload):
    return bytes([number << 3 | wire]) + payload


def block(number, payload):
    size, out = len(payload), b""
    while size >= 0x80:
        out, size = out + bytes([size & 0x7F | 0x80]), size >> 7
    return field(number, 2, out + bytes([size]) + payload)


def sentencepiece(kind):
    """ModelProto: pieces (1), trainer_spec (2), normalizer_spec (3)."""
    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
    pieces += [(f"<0x{b:02X}>", 6) for b in range(256)]
    pieces += [(p, 1) for p in ["▁", "t", "h", "e", "th", "the", "▁the"]]
    out = b""
    for i, (text, type) in enumerate(pieces):
        out += block(1, block(1, text.encode()) +
                     field(2, 5, struct.pack("<f", -float(i))) +
                     field(3, 0, bytes([type])))
    out += block(2, field(3, 0, bytes([kind])))
    out += block(3, block(1, b"identity") + field(3, 0, b"\1"))
    return out


def write(name, kind, content):
    if not isinstance(content, bytes):
        content = json.dumps(content, ensure_ascii=False,
                             separators=(",", ":")).encode()
    (folder / name).write_bytes(kind + content)


vocab = byte_level()["model"]["vocab"]
write("byte-level.json", b"@", byte_level())
write("byte-fallback.json", b"@", byte_fallback())
write("unigram.model", b"A", sentencepiece(1))
write("bpe.model", b"A", sentencepiece(2))
write("vocab-merges", b"B",
      json.dumps(vocab).encode() + b"\0#version: 0.2\nt h\nth e\n")
words = "\n".join(f"{letter}\x01" for letter in byte_letters())
write("gguf-gpt2", b"C", words.encode() + "\nth\1\nt h\1\n".encode())
write("gguf-llama", b"G", b"<unk>\x02\n<s>\x03\n</s>\x03\n\xe2\x96\x81\1\nth\1")
