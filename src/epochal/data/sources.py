"""Sources of batches: iterables, iterators, lists of batches, batches by index."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, cast

from .workers import check_workers, is_indexed, read_in_order

Order: TypeAlias = Callable[[int, int], Iterable[int]]
"""`order(epoch, batches)` returns the batches' indices in the order in which an epoch takes them."""


class Source:
    """A source of batches that a user gave, which is gone through pass after pass.

    Args:
        given: What the user gave: an iterable; an iterator; or batches by index, `given[i]` for i below `len(given)`
            (or below its `num_batches`, as Keras's PyDataset has it).
        steps_name: What errors call the number of batches an epoch.
        order: The order of batches by index; None means as they are numbered.

    Attributes:
        once: Whether it can be gone through only once, as an iterator that doesn't say how long it is.
        indexed: Whether batches are asked for by index: where it can't be iterated over, or has `on_epoch_end`, as
            Keras's datasets have.
        plain: Whether it is a list or tuple, which can do nothing by itself.

    Raises:
        TypeError: If it gives no batches; the error says what helps.
        ValueError: If it asks for processes to read its batches.
    """

    def __init__(self, given: Any, steps_name: str, order: Order | None) -> None:
        if _is_samples_of_torch(given):
            raise TypeError(
                f"{type(given).__name__} gives single samples, and data are batches: pass "
                f"torch.utils.data.DataLoader(dataset, batch_size=32), or batch_size=None if it gives batches."
            )
        if isinstance(given, type) or not (hasattr(given, "__iter__") or is_indexed(given)):
            raise TypeError(_advice(given, steps_name))
        self.given = given
        self.indexed = is_indexed(given)
        self.plain = type(given) in (list, tuple)
        self.once = not self.indexed and isinstance(given, Iterator) and self.length() is None
        self._order = order
        if self.indexed:
            check_workers(self.given)

    @property
    def name(self) -> str:
        """The name of its class, for errors."""
        return type(self.given).__name__

    def length(self) -> int | None:
        """Return how many batches a pass has, None if nobody says."""
        for get in (lambda: self.given.num_batches, lambda: len(self.given)):
            try:
                number = get()
            except (AttributeError, TypeError, NotImplementedError):
                continue
            return None if number is None else int(number)
        return None

    def open(self, epoch: int) -> Iterator[object]:
        """Begin a pass, in an epoch, and return its batches; what can be gone through only once goes on."""
        if self.once:
            return cast("Iterator[object]", self.given)
        if not self.indexed:
            return iter(self.given)
        length = self.length()
        indices = itertools.count() if length is None else range(length)
        if self._order is not None and length is not None:
            indices = (int(index) for index in self._order(epoch, length))
        return read_in_order(self.given, indices)

    # What a source may want to know

    @property
    def counts_epochs(self) -> bool:
        """Whether it has `set_epoch`, or its sampler, batch sampler or dataset has."""
        return any(True for _ in self._with("set_epoch"))

    @property
    def watches_epochs(self) -> bool:
        """Whether it is told when epochs begin and end."""
        return hasattr(self.given, "on_epoch_end") or hasattr(self.given, "on_epoch_begin")

    def set_epoch(self, epoch: int) -> None:
        """Tell the epoch's number, counted from 0, to every part that has `set_epoch`."""
        for part in self._with("set_epoch"):
            part.set_epoch(epoch)

    def begin_epoch(self) -> None:
        """Call `on_epoch_begin` where there is one."""
        if hasattr(self.given, "on_epoch_begin"):
            self.given.on_epoch_begin()

    def end_epoch(self) -> None:
        """Call `on_epoch_end` where there is one."""
        if hasattr(self.given, "on_epoch_end"):
            self.given.on_epoch_end()

    def _parts(self) -> Iterator[Any]:
        """Yield the source, and what a loader such as PyTorch's is made of; each once."""
        batch_sampler = getattr(self.given, "batch_sampler", None)
        parts = [self.given, getattr(self.given, "sampler", None), batch_sampler]
        parts += [getattr(batch_sampler, "sampler", None), getattr(self.given, "dataset", None)]
        yield from {id(part): part for part in parts if part is not None}.values()

    def _with(self, method: str) -> Iterator[Any]:
        yield from (part for part in self._parts() if callable(getattr(part, method, None)))

    def outline(self) -> list[object]:
        """Return the attributes of the source and of its parts, which are others when somebody has written to one."""
        attributes = (getattr(part, "__dict__", {}) for part in self._parts())
        return [
            (name, value if isinstance(value, (int, float, str)) else id(value))
            for named in attributes
            for name, value in list(named.items())
        ]


def _advice(given: object, steps_name: str) -> str:
    if callable(given):
        name = getattr(given, "__name__", type(given).__name__)
        kind = "class" if isinstance(given, type) else "function"
        return f"{name} is a {kind}: call it, as in fit({name}(), {steps_name}=…)."
    return f"data must be arrays or an iterable of batches; got {type(given).__name__}."


def _is_samples_of_torch(given: object) -> bool:
    data = sys.modules.get("torch.utils.data")
    kinds = getattr(data, "Dataset", None), getattr(data, "IterableDataset", None)
    return data is not None and isinstance(given, kinds[0]) and not isinstance(given, kinds[1])  # pyright: ignore


# A source's or an iterator's own state


def get_state(*owners: object) -> object:
    """Return what the first `state_dict()` or `get_state()` of these objects returns; None if there is none."""
    for owner in owners:
        for name in ("state_dict", "get_state"):
            if callable(get := getattr(owner, name, None)):
                return get()
    return None


def restoring(owner: object) -> Callable[[object], None] | None:
    """Return the method that restores a state, `load_state_dict` or `set_state`; None if there is none."""
    methods = (getattr(owner, name, None) for name in ("load_state_dict", "set_state"))
    return next((cast("Callable[[object], None]", method) for method in methods if callable(method)), None)
