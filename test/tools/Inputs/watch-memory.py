# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""watch-memory.py COMMAND...: runs the command, which prints JSON, and looks at its
anonymous memory in /proc meanwhile. Fails where the JSON has a smaller
`peak_anon_bytes` than was seen; prints both."""
import json
import os
import subprocess
import sys
import time

process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
page, seen = os.sysconf("SC_PAGESIZE"), 0
while process.poll() is None:
    with open(f"/proc/{process.pid}/statm") as file:
        numbers = file.read().split()
    if numbers:
        seen = max(seen, (int(numbers[1]) - int(numbers[2])) * page)
    time.sleep(0.002)
if process.returncode:
    sys.exit(f"it ended with {process.returncode}")
said = json.loads(process.stdout.read())["peak_anon_bytes"]
print(f"said {said / 1e6:.1f} MB, seen {seen / 1e6:.1f} MB")
# Both look now and then: neither sees all that is there for a moment.
if said < 0.9 * seen:
    sys.exit("there was more memory than was said")
