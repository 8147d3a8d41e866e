# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""on-terminal.py COMMAND...: runs the command with a terminal as its standard error,
and prints each state of the bar that it showed there as a line."""
import os
import pty
import subprocess
import sys

main, side = pty.openpty()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=side)
os.close(side)
shown = b""
while True:
    try:
        piece = os.read(main, 4096)
    except OSError: # nobody writes any more
        break
    if not piece:
        break
    shown += piece
print(shown.replace(b"\r\x1b[K", b"\n").decode().strip())
sys.exit(process.wait())
