"""Whether several processes train the same: the same model and data, from the same saved run, with the same weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from ..storage.generation import PlainState
from . import identity
from .accord import together
from .processes import THIS
from .run import Run
from .run_state import RunState


def check_alike(run: Run, saved: RunState | None) -> None:
    """Raise a RuntimeError that says where this process differs from the primary, before anything is trained.

    Args:
        run: That of this process.
        saved: The saved run that it goes on from.
    """
    if run.accord.is_alone:
        return
    mine: PlainState = {
        **run.identity,
        "epochs": run.epochs,
        "callbacks": [type(callback).__name__ for callback in run.hooks.callbacks],
        "saved run": "none" if saved is None else f"{saved.count} batches, {saved.epoch} epochs",
    }
    with THIS.waiting():
        digests = THIS.exchange("run", hashlib.sha256(_text(mine).encode()).hexdigest())
    if len(set(digests)) > 1:
        _tell_difference(mine)
    check_same_weights(run, "at the beginning")


def _tell_difference(mine: PlainState) -> None:
    others: list[Mapping[str, object]] = [json.loads(text) for text in THIS.exchange("run in full", _text(mine))]
    for index, other in enumerate(others):
        names = "on process 0", f"on process {index}"
        if lines := identity.differences(others[0], other, names):
            advice = ""
            if any(line.startswith("saved run") for line in lines):
                advice = "\nThe folder of a saved run must be one that all processes share."
            shown = "\n  ".join(identity.shortened(lines))
            raise RuntimeError(f"the processes don't train the same:\n  {shown}{advice}")


def check_same_weights(run: Run, where: str) -> None:
    """Raise a RuntimeError that names the processes whose weights or learning rates aren't the primary's.

    Args:
        run: That of this process.
        where: In which moment.
    """
    if (least := run.engine.least) is None:
        return
    own = run.engine.checksum()
    first, last = together(least, f"comparing weights {where}", [own, -own])
    if first == -last:
        return
    sums = THIS.exchange("weights", str(own))
    differing = ", ".join(str(index) for index, found in enumerate(sums) if found != sums[0])
    raise RuntimeError(
        f"the weights, the optimizer's state or the learning rate of process {differing} aren't those of the primary "
        f"{where}: what a script or a hook sets in one process it must set in all, and random numbers must come from "
        f"the same seed (epochal.set_random_seed)."
    )


def _text(value: PlainState) -> str:
    return json.dumps(value, sort_keys=True, default=str)
