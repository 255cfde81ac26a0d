"""Draw pictures into docs/pictures: `python -m pictures [name …]`, all of them without a name."""

import importlib
import sys
from pathlib import Path

NAMES = ["killed_and_resumed", "monitor", "spans", "followers", "lazy_logs", "run_as_a_value"]
FOLDER = Path(__file__).parent.parent / "docs" / "pictures"


def main() -> None:
    """Draw the pictures that are asked for."""
    asked = sys.argv[1:]
    if unknown := set(asked) - set(NAMES):
        sys.exit(f"no picture named {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    FOLDER.mkdir(exist_ok=True)
    for name in asked or NAMES:
        print(f"{name} …", flush=True)
        importlib.import_module(f"pictures.{name}").draw(FOLDER)


main()
