"""Run benchmarks: `python -m benchmarks [name …]`, all of them without a name."""

import importlib
import pkgutil
import sys
from pathlib import Path

HELPERS = {"__main__", "contest", "figures", "machine", "peers", "workloads"}


def main() -> None:
    names = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name not in HELPERS)
    asked, sys.argv[1:] = sys.argv[1:], []  # what is left of the line would be a benchmark's own
    if unknown := set(asked) - set(names):
        sys.exit(f"no benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in asked or names:
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


main()
