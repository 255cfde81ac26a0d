"""The settings that steps were compiled with, and a warning where one is changed afterwards."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard, cast
from weakref import ref

from ..core.callback import Callback
from ..core.hook_code import names_used
from ..core.identity import LIBRARIES
from ..core.logs import Logs
from ..core.user_code import package_of, runs_user_code
from ..messages.names import first_few
from ..messages.printing import warn


@dataclass(frozen=True)
class CompiledSetting:
    """An attribute of a model, of a layer, or of another part of a step, and the value that a step was compiled with.

    Attributes:
        owner: What has it, as warnings call that.
        name: The attribute's.
        value: A number, a text, a truth value, a function or None.
        read: Returns the value of now, for the name; `...` if that is no such value any more.
    """

    owner: str
    name: str
    value: Any
    read: Callable[[str], object]

    @property
    def is_late(self) -> bool:
        """Whether the attribute has been changed since."""
        now = self.read(self.name)
        return now is not self.value and now is not ... and bool(now != self.value)

    def __str__(self) -> str:
        """Return the change in words, such as `rate of dropout (0.5 then, 0.1 now)`."""
        now = self.read(self.name)
        return f"{self.name} of {self.owner}" + (f" ({self.value!r} then, {now!r} now)" if is_plain(now) else "")


def is_plain(value: object) -> TypeGuard[bool | int | float | str | None]:
    """Return whether a value can't change by itself, so that whoever wants another one sets the attribute."""
    return value is None or isinstance(value, (bool, int, float, str))


def settings_read(thing: object, owner: str, methods: Iterable[str]) -> Iterator[CompiledSetting]:
    """Yield the numbers, texts and truth values among the attributes of a thing that some of its methods may read.

    Args:
        thing: Has the attributes, or its class has.
        owner: What warnings call it.
        methods: The names of those that become part of a step; what isn't written in Python doesn't count.
    """
    read = attributes_of(thing)
    for name in _names_read(type(thing), tuple(methods)):
        if is_plain(value := read(name)):
            yield CompiledSetting(owner, name, value, read)


def attributes_of(thing: object) -> Callable[[str], object]:
    """Return what returns attributes of a thing, or of its class, and `...` for none; no code of theirs is run."""
    if getattr(type(thing), "__weakrefoffset__", 0) == 0:
        return lambda name: inspect.getattr_static(thing, name, ...)
    weakly = ref(thing)  # models have what has this
    return lambda name: inspect.getattr_static(weakly(), name, ...)


@functools.lru_cache(1000)
def _names_read(kind: type, methods: tuple[str, ...]) -> list[str]:
    return sorted(names_used((inspect.getattr_static(kind, method, None) for method in methods), kind))


def settings_of_objects(nest: object, methods: Iterable[str]) -> Iterator[CompiledSetting]:
    """Yield what some methods of the losses, or the metrics, in a nest may read, if these are of a user's classes."""
    if isinstance(nest, Mapping):
        nest = [*cast("Mapping[object, object]", nest).values()]
    if isinstance(nest, (list, tuple)):
        for part in cast("list[object]", nest):
            yield from settings_of_objects(part, methods)
    elif package_of(type(nest)) not in LIBRARIES:
        yield from settings_read(nest, type(nest).__name__, methods)
    else:  # what was no loss, or metric, before it was made one
        for wrapped in (getattr(nest, "fn", None), getattr(nest, "function", None)):
            yield from () if wrapped is None else settings_of_objects(wrapped, ["__call__"])


class CompiledSettings:
    """What a model's steps were compiled with.

    Args:
        name: What warnings call the model.
        taken: What they have had since they were made.
        traced: Returns what they read while they are compiled.
    """

    def __init__(
        self,
        name: str,
        taken: Iterable[CompiledSetting] = (),
        traced: Callable[[], Iterable[CompiledSetting]] = tuple,
    ) -> None:
        self._name, self._traced = name, traced
        self._compiled = list(taken)
        self._is_traced = False
        self._told: list[CompiledSetting] = []

    @contextmanager
    def tracing(self) -> Generator[None]:
        """Note what a step that is compiled within reads, the first time; what it changes itself is told elsewhere."""
        before = [] if self._is_traced else [*self._traced()]
        yield
        self._compiled += [setting for setting in before if not setting.is_late]
        self._is_traced = True

    def fit_begins(self) -> None:
        """Warn of what was changed before."""
        self._told.clear()
        self.warn_of_changes()

    def warn_of_changes(self) -> None:
        """Warn of each setting, once in a fit, that is another one than the steps were compiled with."""
        late = [setting for setting in self._compiled if setting.is_late]
        if new := [str(setting) for setting in late if setting not in self._told]:
            self._told = late
            warn(
                f"{first_few(new, 3)}: the steps of {self._name} were compiled before that change, so it has no effect "
                "on them. Compile the model again; what is to change while it trains must be a variable."
            )


class WarnsOfChanges(Callback):
    """Warns at an epoch's begin of what hooks have changed before.

    Args:
        settings: Those of the model that is trained.
    """

    def __init__(self, settings: CompiledSettings) -> None:
        super().__init__()
        self._settings = settings

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Warn."""
        self._settings.warn_of_changes()


def watching(settings: CompiledSettings, callbacks: Iterable[object]) -> list[Callback]:
    """Return what warns within a fit of changed settings, if there are callbacks that could change some."""
    return [WarnsOfChanges(settings)] if any(map(runs_user_code, callbacks)) else []
