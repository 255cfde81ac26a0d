"""Runs a random program in a process of its own, which may be killed: `killed.py PROGRAM FOLDER CUTS FAULT OUTCOME`."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

if __name__ == "__main__":
    import pickle

    from random_programs import Data, Fault, Part, Program  # noqa: F401 (what the arguments are written in)
    from running import run

    program, folder, cuts, fault, path = sys.argv[1:]
    outcome = run(eval(program), Path(folder), eval(cuts), eval(fault))
    Path(path).write_bytes(pickle.dumps(outcome))
