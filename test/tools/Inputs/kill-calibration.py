# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""kill-calibration.py FOLDER PARTS COMMAND...: runs the command, and kills it
with SIGKILL when the entries of part PARTS are in the folder: in the middle of
the part after it. Fails where it ends before."""
import os
import signal
import subprocess
import sys
import time

folder, parts, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
entries = os.path.join(folder, f"part-{parts:04}.json")
process = subprocess.Popen(command)
while not os.path.exists(entries):
    if process.poll() is not None:
        sys.exit(f"it ended with {process.returncode} before {entries}")
    time.sleep(0.001)
process.send_signal(signal.SIGKILL)
if process.wait() != -signal.SIGKILL:
    sys.exit(f"it ended with {process.returncode} before it was killed")
if os.path.exists(os.path.join(folder, "statistics.json")):
    sys.exit("it had finished already")
