"""The settings that steps were compiled with, and a warning where one is changed afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from ..core.callback import Callback
from ..core.hook_code import names_used
from ..core.identity import LIBRARIES
from ..core.logs import Logs
from ..core.user_code import package_of, runs_user_code
from ..messages.names import first_few
from ..messages.printing import warn


@dataclass(frozen=True)
class CompiledSetting:
    """An attribute of a model, of a layer, or of another part of a step.

    Attributes:
        key: Tells it from all others, as long as the model has the same parts.
        owner: What has it, as warnings call that.
        value: A number, a text, a truth value, a function or None.
    """

    key: tuple[object, ...]
    owner: str
    value: Any


def is_plain(value: object) -> TypeGuard[bool | int | float | str | None]:
    """Return whether a value can't change by itself, so that whoever wants another one sets the attribute."""
    return value is None or isinstance(value, (bool, int, float, str))


def settings_read(
    thing: object, owner: str, methods: Iterable[str], key: object = "model"
) -> Iterator[CompiledSetting]:
    """Yield the numbers, texts and truth values among the attributes of a thing that some of its methods may read.

    Args:
        thing: Has the attributes, or its class has.
        owner: What warnings call it.
        methods: The names of those that become part of a step; what isn't written in Python doesn't count.
        key: Tells the thing from others.
    """
    kind = type(thing)
    used = names_used((inspect.getattr_static(kind, method, None) for method in methods), kind)
    for name in sorted(used):
        if is_plain(value := inspect.getattr_static(thing, name, ...)):
            yield CompiledSetting((key, name), owner, value)


def settings_of_objects(nest: object, methods: Iterable[str], key: object) -> Iterator[CompiledSetting]:
    """Yield what some methods of the losses, or the metrics, in a nest may read, if these are of a user's classes."""
    if isinstance(nest, Mapping):
        for name, part in cast("Mapping[object, object]", nest).items():
            yield from settings_of_objects(part, methods, (key, name))
    elif isinstance(nest, (list, tuple)):
        for at, part in enumerate(cast("list[object]", nest)):
            yield from settings_of_objects(part, methods, (key, at))
    elif package_of(type(nest)) not in LIBRARIES:
        yield from settings_read(nest, type(nest).__name__, methods, key)


class CompiledSettings:
    """What a model's steps were compiled with.

    Args:
        name: What warnings call the model.
        read: Returns the settings as they are.
    """

    def __init__(self, name: str, read: Callable[[], Iterable[CompiledSetting]]) -> None:
        self._name, self._read = name, read
        self._compiled = {setting.key: setting.value for setting in read()}
        self._told: set[tuple[object, ...]] = set()

    def fit_begins(self) -> None:
        """Warn of what was changed before."""
        self._told.clear()
        self.warn_of_changes()

    def warn_of_changes(self) -> None:
        """Warn of each setting, once in a fit, that is another one than the steps were compiled with."""
        late = [setting for setting in self._read() if self._is_late(setting)]
        if late:
            self._told.update(setting.key for setting in late)
            warn(
                f"{first_few(map(self._change, late), 3)}: the steps of {self._name} were compiled before that change, "
                "so it has no effect on them. Compile the model again; what is to change while it trains must be a "
                "variable."
            )

    def _is_late(self, setting: CompiledSetting) -> bool:
        key, value = setting.key, setting.value
        if key not in self._compiled or key in self._told:
            return False
        return bool(self._compiled[key] is not value and self._compiled[key] != value)

    def _change(self, setting: CompiledSetting) -> str:
        """Return a change in words, such as `rate of dropout (0.5 then, 0.1 now)`."""
        values = f" ({self._compiled[setting.key]!r} then, {setting.value!r} now)" if is_plain(setting.value) else ""
        return f"{setting.key[-1]} of {setting.owner}{values}"


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
