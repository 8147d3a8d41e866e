# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: less-is-lost.py EXACT PLAIN BETTER...

Reports of adze eval: each of BETTER loses less of EXACT's perplexity than PLAIN.
"""
import json
import sys

exact, plain, *better = [json.load(open(path))["perplexity"] for path in sys.argv[1:]]
print(f"exact {exact}, plain {plain}, better {better}")
if not all(exact < value < plain for value in better):
    sys.exit("expected each between the first two")
