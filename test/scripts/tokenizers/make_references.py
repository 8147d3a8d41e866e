#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains small vocabularies and writes what the reference libraries make of
texts with them: NAME.json or NAME.model, and NAME.ids.json with a list of
{text, ids, special, decoded, pieces?}.

Usage: make_references.py TEXT_DIRECTORY OUTPUT_DIRECTORY
Needs the packages tokenizers and sentencepiece (versions are written into
versions.json). Training and choice of texts are deterministic, so running it
again with the same versions gives the same files.
"""

import io
import json
import pathlib
import random
import sys
import unicodedata

import sentencepiece
import tokenizers
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)

GPT2 = None  # ByteLevel's own pattern
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
VOCABULARY = 700

EXTRA = """
Ünïcödé déjà vu, Straße, ΑΒΓ αβγ, Привет мир, 你好世界, こんにちは, 안녕하세요.
1234567890 3.14159 1,000,000 2024-11-20. I'll we've they're don't she'd I'm.
"""

CASES = [
    "", " ", "  ", "   ", "a", " a", "a ", "  a  b  ", "Hello World", " Hello",
    "Hello, world!", "\n", "\n\n", "\n \n", " \n  \n   x", "\t\t tab\there",
    "\r\n windows\r\nlines\r\n", "I'll we've THEY'RE don't 'S 'ſ it's",
    "w048 7tuijk dsdfhu 3 33 333 3333 33333 333333 3.3 3..3",
    "!!!!!! ...... ------======= ''''```\"\"\"", "camelCaseXMLHttpRequest",
    "нещо на Български", "Ünïcödé déjà vu Straße", "ΑΒΓ αβγ ὈΔΥΣΣΕΎΣ",
    "你好世界。我想在apple工作1314151天～", "こんにちは カタカナ", "안녕하세요 세계",
    "ສະບາຍດີ ກັບ ภาษาไทย नमस्ते दुनिया", "مرحبا بالعالم שלום עולם",
    "🚀 (normal) 😶‍🌫️ (multiple) ✅ 🦙🦙 👩‍👩‍👧‍👦 🇩🇪", "e\u0301a\u0308 \u1e0b\u0323 q\u0307\u0323",
    "\u0041\u030a \u212b \ufb01 \uff21 \u00bd \u2460",
    "\u1100\u1161\u11a8 \uac01", "control \x00\x01\x02\x1b[0m\x7f\x85 end",
    "\u00a0nbsp\u2003em\u3000wide\u200bzero\u180emongolian\u2028line",
    "\ufeffbom \ufffd \U0010ffff \U000e0001", "\u2581literal \u2581\u2581 marks",
    "    def f(x):\n        return x  # four\n\n\n", "x" * 50, " " * 100,
    "\n" * 20, "ab " * 30, "Ⅷ ² ½ ٣ 三 ①②", "a_b-c/d\\e@f#g$h%i^j&k*l(m)n",
    "http://example.com/?q=1&r=%20#x", "naïve café\u0301s — “quotes” … ‘x’",
]
SPECIAL_CASES = [
    "<s>", "</s>", "<s>Hello</s>", "a<s> b </s>c", "  <s>  x", "<s><s>",
    "<|endoftext|>", "Hello<|endoftext|>World", "x <|endoftext|> y",
    "<|im_start|>user\nHi there<|im_end|>\n", "<|im_startx|>", "<|", "<s",
    "text with <tool> inside  <tool>  spaces", "  <mask>  after", "[X][XY][XYZ]",
]


def read_training_text(directory):
    text = (directory / "tinyshakespeare.txt").read_text()[:200000]
    wiki = (directory / "wikitext2-valid.txt").read_text()[:100000]
    return [line for line in (text + wiki + EXTRA * 20).splitlines(True)]


def make_texts(lines):
    """The fixed cases, some real lines, and mixtures of odd characters."""
    rng = random.Random(7)
    texts = list(CASES)
    texts += rng.sample(lines, 25)
    alphabet = ["a", "B", "é", "中", "😀", " ", "  ", "\n", "1", "23", "'s",
                "\u0301", "\t", ".", "—", "\u00a0", "ß", "и", "\u200d"]
    for _ in range(40):
        texts.append("".join(rng.choices(alphabet, k=rng.randint(1, 24))))
    return texts


def write(output, name, cases):
    with open(output / f"{name}.ids.json", "w") as file:
        file.write("[\n" + ",\n".join(
            json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases) + "\n]\n")


def hf_cases(tokenizer, texts):
    cases = []
    for special in (True, False):
        for text in texts + SPECIAL_CASES if special else SPECIAL_CASES + texts[:20]:
            tokenizer.encode_special_tokens = not special
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            around = tokenizer.encode(text, add_special_tokens=True).ids
            cases.append({"text": text, "ids": ids, "special": special,
                          "around": around if around != ids else None,
                          "decoded": tokenizer.decode(ids),
                          "kept": tokenizer.decode(ids, skip_special_tokens=False)})
    rng = random.Random(3)
    size = tokenizer.get_vocab_size()
    # Ids in any order decode too; byte fallback is left out because the
    # reference replaces whole runs of bytes, which a stream cannot.
    if not tokenizer.get_vocab().get("<0x00>"):
        for _ in range(20):
            ids = [rng.randrange(size) for _ in range(rng.randint(1, 12))]
            cases.append({"ids": ids, "decoded": tokenizer.decode(ids),
                          "kept": tokenizer.decode(ids, skip_special_tokens=False)})
    return cases


def save_hf(output, name, tokenizer, texts, tuple_merges=True, edit=None):
    data = json.loads(tokenizer.to_str())
    if not tuple_merges:
        data["model"]["merges"] = [" ".join(m) for m in data["model"]["merges"]]
    if edit:
        edit(data)
    path = output / f"{name}.json"
    path.write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    write(output, name, hf_cases(Tokenizer.from_file(str(path)), texts))


def byte_level(lines, pattern, normalizer=None, prefix=False, sequence=None):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    if sequence:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(sequence)
    elif pattern is GPT2:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in
         ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    return tokenizer


def byte_fallback(lines, style):
    tokenizer = Tokenizer(models.BPE(
        unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    space = "\u2581"
    if style == "llama2":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend(space), normalizers.Replace(" ", space)])
        training = pre_tokenizers.Metaspace(prepend_scheme="never")
    else:
        training = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.pre_tokenizer = training
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False,
                                  special_tokens=specials, limit_alphabet=90)
    tokenizer.train_from_iterator(lines, trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    data["pre_tokenizer"] = None if style == "llama2" else {
        "type": "Metaspace", "replacement": space, "prepend_scheme": "first",
        "split": False}
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace(space, " "), decoders.ByteFallback(),
        decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def make_hf(output, lines, texts):
    save_hf(output, "gpt2", byte_level(lines, GPT2), texts, tuple_merges=False)
    save_hf(output, "gpt2-prefix", byte_level(lines, GPT2, prefix=True), texts)

    llama3 = byte_level(lines, LLAMA3)
    llama3.add_special_tokens(["<s>", "</s>"])
    bos = llama3.token_to_id("<s>")
    llama3.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[
            ("<s>", bos), ("</s>", bos + 1)])])

    def ignore_merges(data):
        # Tokens that merges never reach, to see that they are found whole.
        data["model"]["ignore_merges"] = True
        del data["model"]["merges"][-40:]
    save_hf(output, "llama3", llama3, texts, edit=ignore_merges)

    qwen = byte_level(lines, QWEN2, normalizer=normalizers.NFC())
    qwen.add_tokens([
        AddedToken("<tool>", normalized=True), AddedToken("[X]", normalized=False),
        AddedToken("[XY]", normalized=True), AddedToken("[X][XY]", normalized=False),
        AddedToken("q\u0307\u0323", normalized=True)])
    qwen.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True)])
    save_hf(output, "qwen2", qwen, texts)

    save_hf(output, "o200k", byte_level(lines, O200K), texts)
    save_hf(output, "split-kinds", byte_level(lines, None, sequence=[
        pre_tokenizers.Split(Regex(r"[\r\n]"), "isolated"),
        pre_tokenizers.Split(",", "merged_with_previous"),
        pre_tokenizers.Split("(", "merged_with_next"),
        pre_tokenizers.Split(Regex(r"[!?-]"), "contiguous"),
        pre_tokenizers.Split(Regex(r"\s+$"), "isolated"),
        pre_tokenizers.Split(Regex(r"[^~]+"), "removed", invert=True),
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), texts)

    llama2 = byte_fallback(lines, "llama2")
    llama2.add_tokens([AddedToken("<tool>", normalized=True)])
    save_hf(output, "llama2", llama2, texts)
    mistral = byte_fallback(lines, "mistral")
    mistral.add_tokens([AddedToken("<tool>", normalized=False)])
    save_hf(output, "mistral", mistral, texts)


def make_sentencepiece(output, lines, texts):
    def train(name, **options):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([l.strip() for l in lines if l.strip()]),
            model_writer=model, minloglevel=2, num_threads=1,
            input_sentence_size=0, **options)
        (output / f"{name}.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        cases = []
        for text in texts + SPECIAL_CASES:
            ids = processor.encode(text)
            cases.append({"text": text, "ids": ids, "special": False,
                          "decoded": processor.decode(ids)})
        rng = random.Random(5)
        for _ in range(20):
            ids = [rng.randrange(3, processor.get_piece_size())
                   for _ in range(rng.randint(1, 12))]
            cases.append({"ids": ids, "decoded": processor.decode(ids)})
        write(output, name, cases)
    llama = dict(normalization_rule_name="identity", byte_fallback=True,
                 remove_extra_whitespaces=False, split_digits=True,
                 allow_whitespace_only_pieces=True)
    train("spm-bpe", model_type="bpe", vocab_size=VOCABULARY, **llama)
    train("spm-unigram", model_type="unigram", vocab_size=600, **llama)
    train("spm-unigram-identity", model_type="unigram", vocab_size=400,
          normalization_rule_name="identity", character_coverage=0.99,
          user_defined_symbols=["<tool>", "[X]", "[XY]", "ab"])
    train("spm-bpe-identity", model_type="bpe", vocab_size=400,
          normalization_rule_name="identity", character_coverage=0.99,
          user_defined_symbols=["<tool>", "[X]", "[XY]", "ab"])
    return train


def main():
    texts_directory, output = map(pathlib.Path, sys.argv[1:3])
    output.mkdir(parents=True, exist_ok=True)
    lines = read_training_text(texts_directory)
    texts = make_texts(lines)
    make_hf(output, lines, texts)
    train = make_sentencepiece(output, lines, texts)
    # The default rules bring a character map of 240 KB, so this one model is
    # kept small by rules of its own.
    rules = output / "rules.tsv"
    rules.write_text("\n".join(
        f"{' '.join('%X' % ord(c) for c in source)}\t"
        f"{' '.join('%X' % ord(c) for c in target)}"
        for source, target in [("\uff21", "A"), ("\ufb01", "fi"), ("\u00a0", " "),
                               ("\u2003", " "), ("\t", " "), ("\n", " "),
                               ("e\u0301", "\u00e9"), ("\u200b", ""), ("\u3000", " "),
                               ("\u2026", "..."), ("\u00bd", "1/2")]) + "\n")
    train("spm-rules", model_type="bpe", vocab_size=500,
          normalization_rule_tsv=str(rules), byte_fallback=True)
    train("spm-unigram-rules", model_type="unigram", vocab_size=500,
          normalization_rule_tsv=str(rules), byte_fallback=True)
    rules.unlink()
    (output / "versions.json").write_text(json.dumps({
        "tokenizers": tokenizers.__version__,
        "sentencepiece": sentencepiece.__version__,
        "python unicode": unicodedata.unidata_version}) + "\n")


if __name__ == "__main__":
    main()
