"""Gathering and restoring everything that decides a run's future."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from .callback import HOOKS, Callback, overridden
from .generators import get_global, set_global
from .logs import Logs
from .printing import warn
from .run import Run

GIVEN_BY_FIT = {"model", "params", "validation_data", "writer", "cadence", "replay"}


def gather(run: Run) -> dict[str, Any]:
    """Return a run as a nest of plain values and arrays.

    All of it is a copy, which nothing that goes on can change; its arrays are read-only.
    """
    training = run.training
    training.settle()
    for saver in run.savers:
        saver.wait()  # two states at once would be twice the memory
    generators = get_global()  # first: if the data draw from them meanwhile, their own state will say so
    data = run.data.state_dict()
    return {
        "identity": identity(run) | {"data": _with_actual(run.data.identity(), data)},
        "epochs": run.epochs,
        "finished": False,
        "epoch": run.epoch,
        "under_way": run.under_way,
        "batch": training.batch,
        "count": training.count,
        "means": training.means.state_dict(),
        "stop_training": run.stopped(),
        "logs": dict(run.logs),
        "data": _frozen(data),
        "validation": _frozen(run.validation.data.state_dict()) if run.validation else None,
        "generators": _frozen(generators),
        "engine": run.engine.state_dict(),
        "callbacks": dict(_callback_states(run)),
    }


def finish(run: Run, at_last_epoch_end: dict[str, Any]) -> dict[str, Any]:
    """Return a finished run: what it ended with, and the state from which more epochs would go on."""
    ended = {"engine": run.engine.state_dict(), "callbacks": dict(_callback_states(run))}
    return at_last_epoch_end | {"finished": True, "ended": ended}


def identity(run: Run) -> dict[str, Any]:
    """Describe what a saved run must fit to be resumed here; None in it means anything."""
    return {"engine": run.engine.identity(), "data": run.data.identity()}


def find(run: Run) -> dict[str, Any] | None:
    """Return the saved run that one of the callbacks offers, else None."""
    for saver in run.savers:
        if (saved := saver.restore_run(identity(run))) is not None:
            return dict(saved)
    return None


def is_finished(saved: Mapping[str, Any], epochs: int) -> bool:
    """Say whether a saved run has nothing left to do; raised epochs give it something."""
    return bool(saved["finished"]) and epochs <= saved["epochs"]


def restore(run: Run, saved: Mapping[str, Any]) -> None:
    """Put a run where it was saved, bit for bit: the engine, the data, the position, every callback."""
    training = run.training
    run.epoch, run.under_way = saved["epoch"], saved["under_way"]
    training.batch, training.count = saved["batch"], saved["count"]
    training.means.load_state_dict(saved["means"])
    run.data.load_state_dict(saved["data"])
    if run.validation and saved["validation"] is not None:
        run.validation.data.load_state_dict(saved["validation"])
    set_global(saved["generators"])
    run.model.stop_training = saved["stop_training"] and not saved["finished"]
    run.logs = Logs(saved["logs"])
    _restore_parts(run, saved)


def restore_finished(run: Run, saved: Mapping[str, Any]) -> None:
    """Give back what a finished run ended with."""
    _restore_parts(run, saved["ended"])


def _restore_parts(run: Run, saved: Mapping[str, Any]) -> None:
    run.engine.load_state_dict(saved["engine"])
    for name, callback in _named(run.call.callbacks):
        if name in saved["callbacks"] and hasattr(callback, "load_state_dict"):
            callback.load_state_dict(saved["callbacks"][name])


def differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List where two identities differ: `data.batch_size: 32 then, 64 now`."""
    then, here = dict(_flat(saved)), dict(_flat(now))
    found: list[str] = []
    for path in sorted(then.keys() | here.keys()):
        if path in here and here[path] is None:
            continue
        a, b = (values.get(path, "nothing") for values in (then, here))
        if a != b:
            found.append(f"{path}: {a} then, {b} now")
    return found


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


def _callback_states(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, callback in _named(run.call.callbacks):
        if _keeps_state(callback):
            yield name, _frozen(callback.state_dict())
        elif name not in run.named_as_stateless and _remembers(callback):
            run.named_as_stateless.add(name)
            warn(
                f"{type(callback).__name__} has no state_dict: what it remembers starts afresh "
                f"when the run is resumed.",
                stacklevel=2,
            )


def _keeps_state(callback: Any) -> bool:
    if isinstance(callback, Callback):
        return type(callback).state_dict is not Callback.state_dict
    return hasattr(callback, "state_dict")


def _remembers(callback: Any) -> bool:
    """Whether a callback has hooks and attributes of its own, so that it may have something to remember."""
    return bool(set(cast("dict[str, Any]", vars(callback))) - GIVEN_BY_FIT) and any(
        overridden(callback, hook) for hook in HOOKS
    )


def _frozen(value: Any) -> Any:
    """Return a copy of a nest, its arrays read-only."""
    if isinstance(value, Mapping):
        return {name: _frozen(v) for name, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_frozen(v) for v in cast("list[Any]", value)]
    if not isinstance(value, np.ndarray):
        return value
    array = cast("np.ndarray", value).copy()
    array.setflags(write=False)
    return array


def _named(callbacks: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each callback with its class's name and its number among those of that class."""
    seen: Counter[str] = Counter()
    for callback in callbacks:
        name = type(callback).__name__
        yield f"{name}/{seen[name]}", callback
        seen[name] += 1


def _flat(nest: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in nest.items():
        if isinstance(value, Mapping):
            yield from _flat(cast("Mapping[str, Any]", value), f"{above}{name}.")
        else:
            yield f"{above}{name}", list(cast("Any", value)) if isinstance(value, tuple) else value
