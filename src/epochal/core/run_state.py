"""Gathering and restoring everything that decides a run's future."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.generators import get_global, set_global
from ..messages.printing import warn
from . import callback_states
from .callback_states import frozen
from .logs import Logs
from .run import Run

FORMAT = 3
"""Of what `gather` returns; one of another version can't be restored."""

OF_ENGINE = ("engine.", "layers.", "learning_rate", "loss", "metrics", "optimizer", "weighted_metrics")
"""How the differences begin that an engine's state may not fit."""


def gather(run: Run, begins: bool = False) -> dict[str, Any]:
    """Return a run as a nest of plain values and arrays.

    All of it is a copy, which nothing that goes on can change; its arrays are read-only.

    Args:
        run: Between two moments.
        begins: Whether nothing has been trained yet; then what has no state yet is left out.
    """
    training = run.training
    training.settle()
    for saver in run.savers:
        saver.wait()  # two states at once would be twice the memory
    generators = get_global()  # first: if the data draw from them meanwhile, their own state will say so
    data = _data_state(run, begins)
    return {
        "format": FORMAT,
        "identity": run.identity | {"data": _with_actual(run.identity["data"], data or {})},
        "epochs": run.epochs,
        "finished": False,
        "epoch": run.epoch,
        "epoch_open": run.epoch_open,
        "batch": training.batch,
        "count": training.count,
        "means": training.means.state_dict(),
        "stop_training": run.stopped(),
        "logs": dict(run.logs),
        "data": frozen(data),
        "validation": frozen(run.validation.data.state_dict()) if run.validation else None,
        "generators": frozen(generators),
        "engine": run.engine.state_dict(),
        **callback_states.gather(run.hooks.callbacks, run.folder, run.named_as_stateless, begins),
    }


def _data_state(run: Run, begins: bool) -> Mapping[str, object] | None:
    try:
        return run.data.state_dict()
    except Exception:
        if begins:
            return None
        raise


def finish(run: Run, at_last_epoch_end: dict[str, Any]) -> dict[str, Any]:
    """Return a finished run: what it ended with, and the state from which more epochs would go on."""
    states = callback_states.gather(run.hooks.callbacks, run.folder, run.named_as_stateless)
    return at_last_epoch_end | {"finished": True, "ended": {"engine": run.engine.state_dict(), **states}}


def find(run: Run) -> dict[str, Any] | None:
    """Return the saved run that the callbacks offer, the one that has got furthest, else None."""
    furthest: dict[str, Any] | None = None
    for saver in run.savers:
        saved = saver.restore_run(run.identity)
        if saved is not None and (furthest is None or _progress(saved) > _progress(furthest)):
            furthest = dict(saved)
    return furthest


def _progress(saved: Mapping[str, Any]) -> tuple[int, bool]:
    return saved["count"], saved["finished"]


def is_finished(saved: Mapping[str, Any], epochs: int) -> bool:
    """Say whether a saved run has nothing left to do; raised epochs give it something."""
    return bool(saved["finished"]) and epochs <= saved["epochs"]


def restore(run: Run, saved: Mapping[str, Any]) -> None:
    """Put a run where it was saved, bit for bit: the engine, the data, the position, every callback.

    Of a run that isn't quite this one (`saved["differences"]`) as much as fits; what is left out is told.
    """
    training, left = run.training, list[str]()
    run.epoch, run.epoch_open = saved["epoch"], saved["epoch_open"]
    training.count = saved["count"]
    if any(line.startswith(("data.", "engine.logs")) for line in saved.get("differences", ())):
        left += [f"epoch {run.epoch + 1} begins again, since the data or logs are others"] * run.epoch_open
        run.epoch_open = False
    else:
        training.batch = saved["batch"]
        training.means.load_state_dict(saved["means"])
        if saved["data"] is not None:
            run.data.load_state_dict(saved["data"])
        if run.validation and saved["validation"] is not None:
            run.validation.data.load_state_dict(saved["validation"])
    set_global(saved["generators"])
    run.model.stop_training = saved["stop_training"] and not saved["finished"]
    run.logs = Logs(saved["logs"])
    _restore_parts(run, saved, saved, left)


def restore_finished(run: Run, saved: Mapping[str, Any]) -> None:
    """Give back what a finished run ended with."""
    _restore_parts(run, saved, saved["ended"], [])


def _restore_parts(run: Run, saved: Mapping[str, Any], parts: Mapping[str, Any], left: list[str]) -> None:
    changed: list[str] = list(saved.get("differences", ()))
    if any(line.startswith(OF_ENGINE) for line in changed):
        keeps_rate = any(line.startswith("learning_rate") for line in changed)
        left += run.engine.load_compatible(parts["engine"], keeps_rate)
    else:
        run.engine.load_state_dict(parts["engine"])
    left += callback_states.restore(parts, run.hooks.callbacks, run.folder)
    if left and saved["count"]:
        warn("The run goes on, but not with all that was saved:\n  " + "\n  ".join(left), stacklevel=2)


def is_finite(saved: Mapping[str, Any]) -> bool:
    """Say whether all trained weights are finite: engines name those `params/…`."""
    arrays: Mapping[str, np.ndarray] = saved["engine"]["arrays"]
    return all(
        bool(np.isfinite(array).all())
        for path, array in arrays.items()
        if path.startswith("params/") and array.dtype.kind not in "biu"
    )


def _with_actual(wanted: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what data demand of a saved run, with what they drew themselves, such as the seed."""
    return {name: state.get(name, value) for name, value in wanted.items()}
