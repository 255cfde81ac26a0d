"""Runs a random program, and gathers everything that comes of it."""

import contextlib
import hashlib
import itertools
import math
import os
import random
import re
import shutil
import signal
import sys
import threading
import warnings

import numpy as np
import pytest
from models_of_programs import case_of
from own_callbacks import SOURCES, Acts, Ended, Fails, Remembers

import epochal
from epochal import callbacks
from epochal.core.wakes import ThroughputEstimate
from epochal.storage import generation

ALLOWED = [
    r"steps an epoch don't divide the \d+ batches",  # docs/data.md: the epoch that meets the end is shorter
    r"the data ended in the middle of an epoch, after \d+ of its \d+ batches",  # the same of other data
    r"validation_freq=\d+ validates none of the epochs",  # docs/semantics.md, monitored values
    r"has no column for \w+: not in the first epoch",  # of CSVLogger: a new key
    r"weights aren't finite: .* keeps the last state",  # of BackupAndRestore
]
"""The warnings that a random program may raise, all of them documented."""

OF_FOLDER = {"CSVLogger": ("filename", "log.csv"), "TensorBoard": ("log_dir", "logs"), "BackupAndRestore": ("backup_dir", "run")}  # fmt: skip


def halves(epoch):
    """Return the rate of an epoch."""
    return 0.1 * 0.5**epoch


def lowers(epoch, rate):
    """Return a rate that depends on the one before."""
    return rate * 0.9


SCHEDULES = {"decays": halves, "multiplies": lowers}


def made(part, folder):
    """Return the callback that a part of a program stands for."""
    settings = dict(part.settings)
    if part.kind in ("Remembers", "Acts"):
        return {"Remembers": Remembers, "Acts": Acts}[part.kind](**settings)
    if part.kind in OF_FOLDER:
        name, path = OF_FOLDER[part.kind]
        settings[name] = folder / path
    elif part.kind == "ModelCheckpoint":
        settings["filepath"] = folder / "models" / settings["filepath"]
    elif part.kind == "LearningRateScheduler":
        settings["schedule"] = SCHEDULES[settings["schedule"]]
    elif part.kind == "LambdaCallback":
        settings["on_epoch_end"] = lambda epoch, logs: logs.update(doubled=2 * logs["loss"])
    return getattr(callbacks, part.kind)(**settings)


def given(program):
    """Return what `fit` is given, but for callbacks."""
    data, case = program.data, case_of(program.model)
    x, y, weight = case.samples(data.samples, data.bad)
    options = {"epochs": program.epochs, "initial_epoch": program.initial_epoch, "steps_per_epoch": data.steps}
    options |= {"shuffle": data.shuffle, "seed": data.seed, "verbose": 0, **case.options}
    validation = case.samples(7, None)
    if data.validation == "split":
        options |= {"validation_split": data.share, "validation_freq": data.freq}
    elif data.validation:
        arrays = validation if data.validation == "arrays" else in_batches(validation, 3)
        options |= {"validation_data": arrays, "validation_freq": data.freq}
    if data.kind == "arrays":
        return {"x": x, "y": y, "sample_weight": weight if data.weighted else None, "batch_size": data.batch_size} | options  # fmt: skip
    batches = in_batches((x, y, weight) if data.weighted or data.kind == "drawing" else (x, y), data.batch_size)
    return {"x": SOURCES[data.kind](batches)} | options


def in_batches(arrays, size):
    """Return a list of batches of arrays, or of dicts of arrays."""

    def rows(part, at):
        if isinstance(part, dict):
            return {name: rows(array, at) for name, array in part.items()}
        return part[at : at + size]

    first = arrays[0]["a"] if isinstance(arrays[0], dict) else arrays[0]
    return [tuple(rows(part, at) for part in arrays) for at in range(0, len(first), size)]


# Running


@contextlib.contextmanager
def spans_of(cuts):
    """Let spans have so many batches, in turn, as long as nobody must be woken."""
    lengths = itertools.cycle(cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("epochal.core.batch_hooks.LONG_STEP_SECONDS", math.inf)
        patch.setattr(ThroughputEstimate, "batches_in", lambda self, seconds: next(lengths))
        yield


def _terminated(number, frame):
    raise Ended


@contextlib.contextmanager
def watched(folder):
    """Allow documented warnings only; see that threads and files are as before; let SIGTERM end the fit."""
    threads, files = _threads(), _open_files(folder)
    before = (
        signal.signal(signal.SIGTERM, _terminated) if threading.current_thread() is threading.main_thread() else None
    )
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
    strange = [str(w.message) for w in told if not any(re.search(known, str(w.message)) for known in ALLOWED)]
    assert not strange, strange
    assert _threads() == threads, f"threads before: {threads}, after: {_threads()}"
    assert _open_files(folder) == files, f"open files before: {files}, after: {_open_files(folder)}"


def _threads():
    return sorted(thread.name for thread in threading.enumerate())


def _open_files(folder):
    """Return the files of a folder that this process has open."""
    found = []
    for entry in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{entry}"))
    return sorted(path for path in found if path.startswith(str(folder)))


def run(program, folder, cuts=(1000,), fault=None, more=()):
    """Run a program in a folder; return everything that comes of it, or None if a fault has ended it.

    Args:
        program: What is run.
        folder: Where files are written.
        cuts: How many batches spans have, in turn.
        fault: What ends it, if anything does.
        more: Parts of callbacks that wake it more often, and don't count.
    """
    random.seed(0)
    np.random.seed(0)
    epochal.set_random_seed(0)
    (folder / "models").mkdir(parents=True, exist_ok=True)
    case = case_of(program.model)
    model, options = case.start(), given(program)
    listed = [made(part, folder) for part in program.callbacks]
    for callback in listed:
        if isinstance(callback, Acts):
            callback.some = case.samples(5, None)[:2]
    others = [made(part, folder) for part in more]
    if fault is not None:
        others.insert(0 if fault.first else len(others), Fails(fault))
    called = [*others, *listed] if fault is not None and fault.first else [*listed, *others]
    history = callbacks.History()
    with watched(folder), spans_of(cuts):
        try:
            model.fit(**options, callbacks=[*called, history])
        except (Ended, KeyboardInterrupt):
            assert fault is not None
            return None
    found = {"state": plain(case.state(model)), **outcome(model, history, listed, folder)}
    if program.data.bad is not None:
        found.pop("saved", None)  # it is the last one that was finite, of those that were to be saved
    return found


def outcome(model, history, listed, folder):
    """Return everything that comes of a run, by name."""
    found = {
        "weights": [weight.tobytes().hex() for weight in model.get_weights()],
        "rate": model.optimizer.lr,
        "epochs": history.epoch,
        "history": {name: repr(values) for name, values in history.history.items()},
    }
    for number, callback in enumerate(listed):
        if not isinstance(callback, (callbacks.BackupAndRestore, callbacks.TensorBoard, callbacks.CSVLogger)):
            found[f"{number} {type(callback).__name__}"] = plain(callback.state_dict())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(("run/", "logs/")):
            found[name] = path.read_bytes() if path.suffix == ".csv" else hashlib.sha256(path.read_bytes()).hexdigest()
    if generations := sorted((folder / "run").glob("generation-*.run")):
        found["saved"] = plain(_lasting(generation.read(generations[-1])))
    for side in ("train", "validation"):
        if (folder / "logs" / side).exists():
            found[f"events of {side}"] = plain(events(folder / "logs" / side))
    return found


def events(folder):
    """Return what TensorBoard reads."""
    from event_reading import scalars, tensors

    return scalars(folder), tensors(folder)


def _lasting(state):
    """Return what must be alike in two saved states: data may say in other words where they are."""
    own = ("callbacks", "identities", "end", "data", "epochs")
    return {name: value for name, value in state.items() if name not in own}


def plain(value):
    """Return a nest of states as text and bytes, in which NaN equals NaN."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, repr(value.tolist()) if value.dtype == object else value.tobytes().hex()
    return repr(value)


def emptied(folder):
    """Return an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
