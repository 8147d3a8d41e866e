"""perplexity.py ARTEFACT TEXT CONTEXT JSON: computes what `adze eval` printed
from the logits of `adze run`, window by window."""
import json
import math
import struct
import subprocess
import sys
import tempfile

artefact, text, context, expected = sys.argv[1:]
context = int(context)


def run(*arguments):
    return json.loads(subprocess.run(
        ["adze", "run", artefact, "--max-tokens", "0", "--json", *arguments],
        check=True, stdout=subprocess.PIPE).stdout)


tokens = run("--prompt", open(text).read())["tokens"]
bos, tokens = tokens[0], tokens[1:]
nats = scored = 0
with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    for at in range(0, len(tokens), context - 1):
        window = [bos] + tokens[at:at + context - 1]
        run("--tokens", ",".join(map(str, window)), "--logits", file.name)
        data = open(file.name, "rb").read()[128:]
        columns = len(data) // 4 // len(window)
        rows = [struct.unpack_from(f"<{columns}f", data, 4 * columns * i)
                for i in range(len(window))]
        for row, token in zip(rows, window[1:]):
            most = max(row)
            nats += math.log(sum(math.exp(x - most) for x in row))
            nats -= row[token] - most
            scored += 1
found = json.load(open(expected))
assert found["tokens"] == scored, (found, scored)
assert abs(found["perplexity"] / math.exp(nats / scored) - 1) < 1e-4, (
    found, math.exp(nats / scored))
