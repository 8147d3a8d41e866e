#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Expected texts of chat templates, made by Jinja2 itself.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r requirements.txt
    /tmp/venv/bin/python make_references.py            # writes the references
    /tmp/venv/bin/python make_references.py --show TEMPLATE CONVERSATION

Jinja2 is set up as transformers does for apply_chat_template. Templates of
models are read from ADZE_TEST_DATA (tokenizers/chat_templates) and are not
copied: of their outputs, length and SHA-256 are stored. Templates of our own
(unit.jinja-cases) are stored with the whole text. A template that raises gives
the message of the exception instead.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
OUT = ROOT / "test" / "runtime" / "text" / "chat"
NOW = datetime.datetime(2026, 3, 9, 14, 5, 7)
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

sys.path.insert(0, str(HERE))
from conversations import CONVERSATIONS, UNITS  # noqa: E402


class Generation(Extension):
    """{% generation %}, which transformers uses to find the answers."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_text")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    @staticmethod
    def _text(caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                          separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(source, conversation):
    """("text", TEXT), ("raises", MESSAGE) for what a template raises or uses
    undefined, ("fails", MESSAGE) for errors of Python."""
    try:
        template = environment().from_string(source)
        text = template.render(
            messages=conversation["messages"],
            tools=conversation.get("tools"),
            documents=None,
            add_generation_prompt=conversation.get("prompt", False),
            **{**SPECIALS, **conversation.get("variables", {})})
        return "text", text
    except jinja2.exceptions.TemplateError as error:
        return "raises", str(error)
    except RecursionError:  # the words are ours: Python's say nothing more
        return "fails", "calls are nested deeper"
    except Exception as error:  # noqa: BLE001: whatever Python raises
        return "fails", str(error)


def packed(conversation):
    """JSON texts, so that the order of members stays."""
    result = {"messages": json.dumps(conversation["messages"], ensure_ascii=False),
              "prompt": conversation.get("prompt", False)}
    if conversation.get("tools") is not None:
        result["tools"] = json.dumps(conversation["tools"], ensure_ascii=False)
    result["variables"] = json.dumps(
        {**SPECIALS, **conversation.get("variables", {})}, ensure_ascii=False)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--show", nargs=2, metavar=("TEMPLATE", "CONVERSATION"))
    arguments = parser.parse_args()
    data = os.environ.get("ADZE_TEST_DATA", ROOT.parent / "shared" / "data")
    folder = pathlib.Path(data) / "tokenizers" / "chat_templates"
    if arguments.show:
        name, conversation = arguments.show
        source = UNITS[name] if name in UNITS else (folder / name).read_text()
        print(*render(source, CONVERSATIONS[conversation]))
        return

    templates = {}
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_bytes()
        results = {}
        for name, conversation in CONVERSATIONS.items():
            kind, text = render(source.decode(), conversation)
            if kind == "text":
                text = [len(text.encode()),
                        hashlib.sha256(text.encode()).hexdigest()]
            results[name] = {kind: text}
        templates[path.name] = {"sha256": hashlib.sha256(source).hexdigest(),
                                "results": results}
    units = {}
    for name, source in UNITS.items():
        results = {}
        for conversation in ("plain", "tools", "unicode"):
            kind, text = render(source, CONVERSATIONS[conversation])
            results[conversation] = {kind: text}
        # One text for all three is stored once.
        if len({json.dumps(r) for r in results.values()}) == 1:
            results = {"plain": results["plain"]}
        units[name] = {"source": source, "results": results}
    OUT.mkdir(parents=True, exist_ok=True)
    for name, value in (("conversations", {n: packed(c) for n, c in CONVERSATIONS.items()}),
                        ("models", templates), ("units", units)):
        (OUT / f"{name}.json").write_text(
            json.dumps({"jinja2": jinja2.__version__, name: value},
                       ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
