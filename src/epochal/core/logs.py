"""Log values: looked up by name, brought to the host when read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, TypeAlias, TypeVar, cast

import numpy as np

from ..messages.numeric import plain_number

V = TypeVar("V")

LoggedValues: TypeAlias = Mapping[str, Any]
"""Logged values by name: numbers or scalar arrays of any framework, and whatever callbacks add."""

VALIDATION = "val_"
"""How the names of values begin that were found on the validation data."""


def validation_name(name: str) -> str:
    """Return the name in the epoch logs of a value on the validation data: `val_loss` for `loss`."""
    return VALIDATION + name


def is_validation_name(name: str) -> bool:
    """Return whether a name in the epoch logs is of a value on the validation data."""
    return name.startswith(VALIDATION)


def without_validation(name: str) -> str:
    """Return the name of a value without what says that it was found on the validation data: `loss` for `val_loss`."""
    return name.removeprefix(VALIDATION)


def fetch(value: Any) -> np.ndarray:
    """Return an array on the host, and wait for it.

    What models and engines hold comes there through this function only, so that transfers can be counted.
    """
    return np.asarray(value)


def other_name(name: object) -> str | None:
    """Return `acc` for `accuracy` and the reverse, also behind `val_` and output names; else None."""
    if not isinstance(name, str) or not (match := re.fullmatch(r"(.*_)?(acc|accuracy)", name)):
        return None
    return (match[1] or "") + ("acc" if match[2] == "accuracy" else "accuracy")


def knows(names: Iterable[str], name: str) -> bool:
    """Return whether a name, or its other name, is among `names`."""
    names = list(names)
    return name in names or other_name(name) in names


class ByName(dict[str, V]):
    """A dict of logged things that takes `acc` and `accuracy` for each other.

    >>> ByName({"val_acc": 0.5})["val_accuracy"]
    0.5
    """

    def __missing__(self, name: str) -> V:
        if (other := other_name(name)) is not None and super().__contains__(other):
            return self[other]
        raise KeyError(f"{name!r} is not there; there are: {', '.join(self) or 'no values'}.")

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or super().__contains__(other_name(name))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value under `name` or its other name, else `default`."""
        return self[name] if name in self else default  # noqa: SIM401


_PENDING: Any = object()


class Logs(ByName[Any]):
    """A dict whose keys are there from the start and whose values are fetched at the first touch.

    Args:
        facts: Values known already.
        names: Keys of the values to fetch; they stand after the facts.
        fetch: Returns those values in order, as Python floats. Called once, at the first touch of one.

    >>> logs = Logs({"size": 4}, ["loss"], fetch=lambda: [0.5])
    >>> logs["loss"], dict(logs)
    (0.5, {'size': 4, 'loss': 0.5})

    What is written into it is kept as it comes, but for scalar arrays: they become Python numbers. It acts as any
    dict: `json.dumps`, `copy`, `|`, `**` and `pop` meet fetched values only.
    """

    __slots__ = ("_fetch", "_names")

    def __init__(
        self,
        facts: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        names: Iterable[str] = (),
        fetch: Callable[[], Iterable[Any]] | None = None,
    ) -> None:
        super().__init__(facts)
        self._fetch = fetch
        if fetch is not None:  # else there is nothing to come, as in the logs that are made for each batch
            self._names = tuple(names)
            for name in self._names:
                super().__setitem__(name, _PENDING)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Logs:
        """Return `values` as logs; scalar arrays, of any framework, are fetched when read."""
        if isinstance(values, Logs):
            return values
        late = [name for name, value in values.items() if getattr(value, "ndim", None) == 0]
        return cls(values, late, lambda: [fetch(values[name]).item() for name in late])

    def _touch(self) -> None:
        if self._fetch is not None:
            fetch, self._fetch = self._fetch, None
            for name, value in zip(self._names, fetch(), strict=True):
                if dict[str, Any].get(self, name) is _PENDING:  # a hook may have written or removed it meanwhile
                    super().__setitem__(name, value)

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is _PENDING:
            self._touch()
            value = super().__getitem__(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, plain_number(value))

    def update(self, *others: Any, **more: Any) -> None:
        """Set the values of other mappings or pairs; scalar arrays become Python numbers."""
        for name, value in dict(*others, **more).items():
            self[name] = value

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.update(other)
        return self

    # dict's own C code reads the values of a subclass directly unless `__iter__` is overridden.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def items(self) -> Any:
        """Return the fetched items."""
        self._touch()
        return super().items()

    def values(self) -> Any:
        """Return the fetched values."""
        self._touch()
        return super().values()

    def copy(self) -> Logs:
        """Return fetched logs of their own."""
        return Logs(self.items())

    __copy__ = copy

    def pop(self, name: str, *default: Any) -> Any:
        """Remove `name` and return its fetched value."""
        self._touch()
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the last item, fetched."""
        self._touch()
        return super().popitem()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return the fetched value under `name`, which is `default` from now on if there was none."""
        self._touch()
        if name not in self:
            self[name] = default
        return self[name]

    def __or__(self, other: Any) -> Any:
        return _merged(self, cast("Mapping[str, Any]", other)) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return _merged(cast("Mapping[str, Any]", other), self) if isinstance(other, Mapping) else NotImplemented

    def __eq__(self, other: object) -> bool:
        self._touch()
        return super().__eq__(dict(other) if isinstance(other, Logs) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        self._touch()
        return super().__repr__()

    def __reduce__(self) -> Any:
        return Logs, (dict(self),)


def _merged(*parts: Mapping[str, Any]) -> Logs:
    merged = Logs()
    for part in parts:
        merged.update(part)
    return merged
