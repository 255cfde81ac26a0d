"""A script is killed in the middle of an epoch, run again, and ends as the one that nobody killed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from . import terminal
from .shell import Shell

SCRIPTS = Path(__file__).parent / "scripts"
COLUMNS, ROWS = 110, 40
AMID = r"Epoch 3/\d+ +(2\d|3\d)/5\d "
"""A bar that shows the third epoch in the middle of its batches."""


def draw(folder: Path, script: Path = SCRIPTS / "train.py", amid: str = AMID) -> None:
    """Draw `killed_and_resumed.svg`.

    Args:
        folder: Where.
        script: Trains in a folder, and leaves `weights.npz` there.
        amid: A pattern of the screen at which the script is killed.
    """
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(script, Path(work, "train.py"))
        shutil.copy(SCRIPTS / "compare.py", work)
        with Shell(Path(work), COLUMNS, ROWS) as shell:
            shell.type("python train.py a")
            shell.wait_for(amid)
            shell.kill()
            shell.wait_for(r"Killed\n\$ $")
            shell.run("python train.py a")
            shell.run("python train.py b > /dev/null    # the same script, never killed")
            shell.run("python compare.py a b")
        terminal.save(
            shell.screen,
            folder / "killed_and_resumed.svg",
            "killed with SIGKILL in the middle of an epoch, and run again",
            reds=("Killed",),
            greens=("equal bit for bit",),
        )
