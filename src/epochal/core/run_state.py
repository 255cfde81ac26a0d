"""The state of a run: everything that decides its future, in typed fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..storage.generation import OtherVersion, PlainState
from .parts import PARTS, Parts

FORMAT = 3
"""The version of what `RunState.to_dict` returns; no other one can be read."""


@dataclass(frozen=True)
class CallbackIdentity:
    """The identity of a callback among the others of a fit.

    Attributes:
        label: The name in messages and files: the class, what its `identity` says, and its number among equals.
        kind: The class's name.
        settings: What its `identity` says, without the paths.
        paths: The paths in it, relative to the folder in which the run is saved.
        records: Whether it only records, so that nothing in the training depends on it.
    """

    label: str
    kind: str
    settings: PlainState
    paths: Mapping[str, str]
    records: bool

    def to_dict(self) -> PlainState:
        """Return the fields, less the label, as JSON values."""
        return {"kind": self.kind, "settings": self.settings, "paths": self.paths, "records": self.records}

    @classmethod
    def from_dict(cls, label: str, values: PlainState) -> CallbackIdentity:
        """Return the identity that has this label, and returned these values from `to_dict`."""
        return cls(label, values["kind"], values["settings"], values["paths"], values["records"])


@dataclass(frozen=True)
class CallbackStates:
    """The states of callbacks.

    Attributes:
        states: What each `state_dict` returned, by label.
        identities: The identity of each of these callbacks.
    """

    states: Mapping[str, PlainState]
    identities: Sequence[CallbackIdentity]

    def to_dict(self) -> PlainState:
        """Return the states, and the identities by label, as plain values and arrays."""
        return {"callbacks": self.states, "identities": {known.label: known.to_dict() for known in self.identities}}

    @classmethod
    def from_dict(cls, values: PlainState) -> CallbackStates:
        """Return the states that returned these values from `to_dict`."""
        identities: Mapping[str, PlainState] = values["identities"]
        return cls(
            values["callbacks"], [CallbackIdentity.from_dict(label, known) for label, known in identities.items()]
        )


@dataclass(frozen=True)
class EndState:
    """The state in which a finished run ended.

    Attributes:
        engine: The state of the engine.
        callbacks: The states of the callbacks.
    """

    engine: PlainState
    callbacks: CallbackStates

    def to_dict(self) -> PlainState:
        """Return the fields as plain values and arrays."""
        return {"engine": self.engine, **self.callbacks.to_dict()}

    @classmethod
    def from_dict(cls, values: PlainState) -> EndState:
        """Return the state that returned these values from `to_dict`."""
        return cls(values["engine"], CallbackStates.from_dict(values))


@dataclass(frozen=True)
class RunState:
    """A run between two moments, from which it can go on, bit for bit; its arrays are read-only copies.

    Attributes:
        identity: What a run must be made of to go on from here: the engine, the data, the model, as JSON values.
        epochs: The number of the last epoch, counted from 1.
        epoch: The epoch under way, or to come, counted from 0.
        epoch_open: Whether that epoch has begun.
        batch: The index in the epoch of the next batch.
        count: The number of batches since the run began.
        means: The sums for the epoch's means.
        stop_training: Whether a callback has asked to stop.
        logs: The logs of the last epoch that ended.
        data: The position in the training data; None where nothing was read yet.
        validation: The position in the validation data; None if there are none.
        generators: The states of the global random generators.
        engine: The state of the engine, with `arrays` by name.
        callbacks: The states of the callbacks.
        end: The state in which the run ended; None as long as it isn't finished.
        others: What each further process of several has of its own, from the second one on.
        tested: The number of batches of its validations since it began, by which cadences count there.
        stop_reason: Who has asked to stop, and why, as `StopReason` tells it.
        differences: Sentences about what another run, which is to go on from here, has otherwise; never in a file.
    """

    identity: PlainState
    epochs: int
    epoch: int
    epoch_open: bool
    batch: int
    count: int
    means: PlainState
    stop_training: bool
    logs: PlainState
    data: PlainState | None
    validation: PlainState | None
    generators: PlainState
    engine: PlainState
    callbacks: CallbackStates
    end: EndState | None = None
    others: Sequence[PlainState] = ()
    tested: int = 0
    stop_reason: Sequence[str] = ("", "")
    differences: Sequence[str] = ()

    @property
    def finished(self) -> bool:
        """Whether the run has ended, so that only a higher number of epochs gives it something to do."""
        return self.end is not None

    def is_finished_at(self, epochs: int) -> bool:
        """Return whether the run has ended, at this epoch or a later one, counted from 1."""
        return self.finished and epochs <= self.epochs

    @property
    def progress(self) -> tuple[int, bool]:
        """The number of batches, and whether the run has ended; greater is further."""
        return self.count, self.finished

    @property
    def where(self) -> str:
        """How far the run has got, for people: epochs and batches are counted from 1."""
        if self.epoch_open and self.batch:
            return f"batch {self.batch} of epoch {self.epoch + 1}"
        return f"epoch {self.epoch}" if self.epoch else "the beginning"

    def parts(self) -> dict[str, Parts]:
        """Return the arrays that lie in parts: of the engine's state, and at the run's end; none of a whole state."""
        states = {"arrays": self.engine, **({} if self.end is None else {"end": self.end.engine})}
        return {name: state[PARTS] for name, state in states.items() if PARTS in state}

    def with_engines(self, change: Callable[[str, PlainState], PlainState]) -> RunState:
        """Return the state with what becomes of the engine's states, which are called as `parts` calls them."""
        end = None if self.end is None else replace(self.end, engine=change("end", self.end.engine))
        return replace(self, engine=change("arrays", self.engine), end=end)

    def own_part(self, labels: Collection[str]) -> PlainState:
        """Return what may be otherwise in each of several processes: data, generators, and callbacks by label."""
        states = {label: state for label, state in self.callbacks.states.items() if label in labels}
        parts = {"data": self.data, "validation": self.validation, "generators": self.generators}
        return {**parts, "callbacks": states}

    def of_process(self, index: int, count: int) -> RunState:
        """Return the state as it was in a process of so many; the primary's, if there were another number then.

        Data that keep a state of their own can't go on in another number of processes: their epoch begins again.
        """
        if count != len(self.others) + 1:
            differs = any((part or {}).get("iterator") is not None for part in (self.data, self.validation))
            line = f"data.processes: {len(self.others) + 1} then, {count} now"
            return replace(self, differences=[*self.differences, *([line] if differs else [])])
        if index == 0:
            return self
        own = self.others[index - 1]
        callbacks = CallbackStates({**self.callbacks.states, **own["callbacks"]}, self.callbacks.identities)
        parts = {name: own[name] for name in ("data", "validation", "generators")}
        return replace(self, callbacks=callbacks, **parts)

    def has_finite_weights(self) -> bool:
        """Return whether all trained weights are finite: engines name them `params/…`."""
        arrays: Mapping[str, np.ndarray] = self.engine["arrays"]
        return self.engine.get("finite", True) and all(
            bool(np.isfinite(array).all())
            for path, array in arrays.items()
            if path.startswith("params/") and array.dtype.kind not in "biu"
        )

    def to_dict(self) -> PlainState:
        """Return the fields as plain values and arrays, for a file."""
        return {
            "format": FORMAT,
            "identity": self.identity,
            "epochs": self.epochs,
            "epoch": self.epoch,
            "epoch_open": self.epoch_open,
            "batch": self.batch,
            "count": self.count,
            "tested": self.tested,
            "means": self.means,
            "stop_training": self.stop_training,
            "logs": self.logs,
            "data": self.data,
            "validation": self.validation,
            "generators": self.generators,
            "engine": self.engine,
            **self.callbacks.to_dict(),
            "end": None if self.end is None else self.end.to_dict(),
            "others": list(self.others),
            "stop_reason": list(self.stop_reason),
        }

    @classmethod
    def from_dict(cls, values: PlainState) -> RunState:
        """Return the state that returned these values from `to_dict`.

        Raises:
            OtherVersion: If they have another format.
        """
        if values.get("format") != FORMAT:
            raise OtherVersion(f"a saved run has format {values.get('format')}, and {FORMAT} can be read")
        names = (
            "identity", "epochs", "epoch", "epoch_open", "batch", "count", "means", "stop_training", "logs", "data",
            "validation", "generators", "engine",
        )  # fmt: skip
        return cls(
            **{name: values[name] for name in names},
            callbacks=CallbackStates.from_dict(values),
            end=None if values["end"] is None else EndState.from_dict(values["end"]),
            others=values.get("others", ()),
            tested=values.get("tested", 0),
            stop_reason=values.get("stop_reason", ("", "")),
        )
