"""perplexity.py ARTEFACT TEXT CONTEXT JSON [OTHER]: computes what `adze eval`
printed from the logits of `adze run`, window by window; with OTHER, what it
printed --against that."""
import json
import math
import struct
import subprocess
import sys
import tempfile

artefact, text, context, expected, *other = sys.argv[1:]
context = int(context)


def run(model, *arguments):
    return json.loads(subprocess.run(
        ["adze", "run", model, "--max-tokens", "0", "--json", *arguments],
        check=True, stdout=subprocess.PIPE).stdout)


def log_probabilities(model, window):
    """Of every token at every position of the window."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        run(model, "--tokens", ",".join(map(str, window)), "--logits", file.name)
        data = open(file.name, "rb").read()[128:]
    columns = len(data) // 4 // len(window)
    for i in range(len(window)):
        row = struct.unpack_from(f"<{columns}f", data, 4 * columns * i)
        most = max(row)
        total = most + math.log(sum(math.exp(x - most) for x in row))
        yield [x - total for x in row]


tokens = run(artefact, "--prompt", open(text).read())["tokens"]
bos, tokens = tokens[0], tokens[1:]
nats = other_nats = divergence = same = scored = 0
for at in range(0, len(tokens), context - 1):
    window = [bos] + tokens[at:at + context - 1]
    for model in other:
        for p, q, token in zip(log_probabilities(model, window),
                               log_probabilities(artefact, window), window[1:]):
            other_nats -= p[token]
            divergence += sum(math.exp(a) * (a - b) for a, b in zip(p, q))
            same += p.index(max(p)) == q.index(max(q))
    for row, token in zip(log_probabilities(artefact, window), window[1:]):
        nats -= row[token]
        scored += 1


def check(value, wanted):
    assert abs(value / wanted - 1) < 1e-4, (found, value, wanted)


found = json.load(open(expected))
assert found["tokens"] == scored, (found, scored)
check(found["perplexity"], math.exp(nats / scored))
if other:
    against = found["against"]
    check(against["perplexity"], math.exp(other_nats / scored))
    check(against["kl_divergence"], divergence / scored)
    check(against["top1_agreement"], same / scored)
    assert divergence > 0, against
