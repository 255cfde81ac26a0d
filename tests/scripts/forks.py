"""Runs scripts in forks of one process that has imported everything: importing JAX takes longer than a short run.

Reads lines of JSON, `[script, its output's file, its arguments …]`; answers each with the process's id, and with its
exit status when it has ended.
"""

import importlib
import json
import os
import runpy
import sys

import numpy as np

from epochal.data import seeds

for module in ("models", "layers", "callbacks", "engines.jax.engine", "saving"):
    importlib.import_module(f"epochal.{module}")

for line in sys.stdin:
    script, output, *sys.argv[1:] = json.loads(line)
    if pid := os.fork():
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        continue
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    seeds._sequence = np.random.default_rng()  # as in a process of its own
    runpy.run_path(script, run_name="__main__")
    break
