# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the commands that documentation shows.

    run-examples.py MODEL FOLDER PAGE...

A PAGE is a Markdown file, of which the blocks marked `sh` are run, or the name
of a command of adze, of which the examples in --help are. Each gets a folder
with model/, train.txt, valid.txt, model.stats and model.adze.so, as the
examples have them. Only sizes are added, for time: fewer and shorter sequences,
fewer tokens, code for this machine.
"""
import os
import re
import shutil
import subprocess
import sys

TEXT = ("ROMEO: But, soft! what light through yonder window breaks? It is the "
        "east, and Juliet is the sun. Arise, fair sun, and kill the envious "
        "moon, who is already sick and pale with grief.\n")
SIZES = {  # of which command, where it has which option, what is added
    "calibrate": [("", "--sequences", "4"), ("", "--tokens", "64")],
    "quantize": [("", "--sequences", "4"), ("", "--tokens", "64"),
                 ("", "--target", "host"), ("--valid.*--sweep|--sweep.*--valid",
                                            "--text-tokens", "256")],
    "prune": [("", "--target", "host"), ("--sweep.*--text", "--text-tokens", "256")],
    "compile": [("", "--target", "host")],
}


def commands_of(page):
    if page.endswith(".md"):
        blocks = re.findall(r"```sh\n(.*?)```", open(page).read(), re.S)
    else:
        shown = subprocess.run(["adze", page, "--help"], check=True,
                               capture_output=True, text=True).stdout
        blocks = [shown[shown.index("\nexamples\n") + 10:]]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("adze")]


def sized(command):
    words = command.split()
    for where, option, value in SIZES.get(words[1] if len(words) > 1 else "", []):
        if re.search(where, command) and not re.search(option + r"[ =]", command):
            command = command.replace(words[1], f"{words[1]} {option} {value}", 1)
    return command


def run(command, folder):
    done = subprocess.run(["bash", "-c", command], cwd=folder, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode == 0:
        return True
    print(f"{folder}$ {command}\nexit status {done.returncode}\n{done.stderr}")
    return False


model, target, *pages = sys.argv[1:]
good = True
for page in pages:
    folder = os.path.join(target, os.path.basename(page))
    for name in ("model", "pruned"):
        shutil.copytree(model, os.path.join(folder, name))
    for name in ("train.txt", "valid.txt"):
        with open(os.path.join(folder, name), "w") as file:
            file.write(TEXT * (120 if name == "train.txt" else 10))
    prepared = all([run(sized(command), folder) for command in (
        "adze compile model/ -o model.adze.so",
        "adze calibrate model/ --text train.txt -o model.stats")])
    commands = commands_of(page)
    print(f"{page}: {len(commands)} commands")
    if not prepared or not commands:
        sys.exit(f"{page}: nothing to run")
    good = all([run(sized(command), folder) for command in commands]) and good
sys.exit(not good)
