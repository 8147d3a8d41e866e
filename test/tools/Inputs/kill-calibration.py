# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""kill-calibration.py FOLDER FILE COMMAND...: runs the command, and kills it with
SIGKILL soon after the statistics of the part FILE are in the folder. Fails where
it ends before."""
import json
import signal
import subprocess
import sys
import time

table, part, command = sys.argv[1] + "/statistics.json", sys.argv[2], sys.argv[3:]


def has(key):
    try:
        return key in open(table).read()
    except FileNotFoundError:
        return False


process = subprocess.Popen(command)
while not has(f'"{part}.bin"'):
    if process.poll() is not None:
        sys.exit(f"it ended with {process.returncode} before {part}")
    time.sleep(0.001)
time.sleep(0.02)
process.send_signal(signal.SIGKILL)
if process.wait() != -signal.SIGKILL:
    sys.exit(f"it ended with {process.returncode} before it was killed")
if json.load(open(table))["complete"]:
    sys.exit("it had finished already")
