"""Reads one JSON object and checks it.

json-has.py KEY... [-- EXPRESSION...]: every key (a.b for nested ones) is there,
and every Python expression over `o`, the object, is true.
"""
import json
import sys

o = json.load(sys.stdin)
arguments = sys.argv[1:]
at = arguments.index("--") if "--" in arguments else len(arguments)
for key in arguments[:at]:
    value = o
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            sys.exit(f"no {key} in {json.dumps(o)[:2000]}")
        value = value[part]
for expression in arguments[at + 1:]:
    if not eval(expression, {"o": o, "abs": abs, "all": all, "len": len,
                             "sum": sum, "sorted": sorted}):
        sys.exit(f"not so: {expression}, in {json.dumps(o)[:2000]}")
