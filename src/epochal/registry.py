"""What a user may name instead of making it: losses, metrics, optimizers, initializers and activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar, cast

from .messages.arguments import NamesArguments, keywords_of
from .messages.names import snake_case, unknown

T = TypeVar("T")
Entry = TypeVar("Entry", bound=Callable[..., object])

Config = dict[str, Any]
"""The constructor's arguments by name, as Keras saves them."""


def check_hash(kind: str, thing: object) -> None:
    """Raise a TypeError unless a thing has a hash, by which compiled steps tell what they are made of."""
    if type(thing).__hash__ is None:
        name = type(thing).__name__
        raise TypeError(f"the {kind} {name} has no hash, which compiled steps need: make it a dataclass(frozen=True).")


def serialized(thing: Callable[..., object] | None) -> Config | None:
    """Return what Keras saves for an object with a `get_config`, or for a function; None for None."""
    if thing is None:
        return None
    if callable(get_config := getattr(thing, "get_config", None)):
        return {"class_name": type(thing).__name__, "config": get_config()}
    return {"class_name": "function", "config": getattr(thing, "__name__", type(thing).__name__)}


class Configured(NamesArguments):
    """The base of what tells the arguments that it was made with, and can be made of them again.

    Example:
        >>> class Circle(Configured):
        ...     def __init__(self, radius, centre=(0, 0)):
        ...         self.radius, self.centre = radius, centre
        >>> Circle.from_config(Circle(2).get_config()).get_config()
        {'radius': 2, 'centre': [0, 0]}
    """

    def get_config(self) -> Config:
        """Return the constructor's arguments that are attributes, as Keras saves them."""
        found = {name: getattr(self, name) for name in self._saved_names() if hasattr(self, name)}
        return {name: list(cast("Any", value)) if isinstance(value, tuple) else value for name, value in found.items()}

    def _saved_names(self) -> list[str]:
        """Return the names of the constructor's arguments."""
        return keywords_of(type(self).__init__)[0]

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return one with the settings that `get_config` returned."""
        return cls(**config)


class Named(Configured):
    """The base of losses and metrics: each has a name, and tells the arguments that it was made with.

    Args:
        name: The class's in snake case if None.

    Example:
        >>> class Distance(Named):
        ...     def __init__(self, unit="m", name=None):
        ...         super().__init__(name)
        ...         self.unit = unit
        >>> Distance("km").get_config()
        {'unit': 'km', 'name': 'distance'}
    """

    name: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Named not in cls.__bases__ and not hasattr(cls, "name"):  # a user's class may not call `__init__`
            cls.name = snake_case(cls.__name__)

    def __init__(self, name: str | None = None) -> None:
        self.name = name or getattr(type(self), "name", snake_case(type(self).__name__))

    def _saved_names(self) -> list[str]:
        names, open_ended = keywords_of(type(self).__init__)
        return [*names, "name"] if open_ended and "name" not in names else names  # it is passed on to the base


class Registry(Generic[T]):
    """Classes, or plain functions, of one kind by their names.

    Args:
        kind: What errors call one of them, such as "loss".
        accepts: The beginning of the TypeError for anything that is no identifier: "a loss is a name, or a Loss".
        base: The base of the classes; None for a registry of functions.
        of_function: Makes one of a user's function; None if a function is no identifier.
        ignored: Settings that Keras saves and that don't exist here, with the one value that means what is done here;
            `...` stands for any value.
        none_is_default: Whether None in a config stands for the constructor's default.
        exact: Whether names must be written as they are registered; else case and underscores don't matter.

    Example:
        >>> class Shape: ...
        >>> SHAPES = Registry("shape", "a shape is a name or a Shape", Shape)
        >>> @SHAPES.register("disc")
        ... class RoundTable(Shape): ...
        >>> type(SHAPES.get("disc")) is type(SHAPES.get({"class_name": "RoundTable"})) is RoundTable
        True
        >>> SHAPES.get("disk")
        Traceback (most recent call last):
        ValueError: unknown shape 'disk'. Did you mean 'disc'?
    """

    def __init__(
        self,
        kind: str,
        accepts: str,
        base: type | None = None,
        *,
        of_function: Callable[[Callable[..., Any]], T] | None = None,
        ignored: Mapping[str, object] | None = None,
        none_is_default: bool = False,
        exact: bool = False,
    ) -> None:
        self.kind, self._accepts, self._base, self._of_function = kind, accepts, base, of_function
        self._ignored, self._none_is_default, self._exact = ignored or {}, none_is_default, exact
        self._entries: dict[str, Callable[..., object]] = {}
        self._functions: dict[str, Callable[..., object]] = {}
        self._aliases: list[str] = []
        self._by_spelling: dict[str, Callable[..., object]] = {}

    def register(
        self, *aliases: str, name: str | None = None, function: Callable[..., object] | None = None
    ) -> Callable[[Entry], Entry]:
        """Return a decorator that registers a class, or a function.

        Args:
            aliases: Other names for it.
            name: The first of its names; its own in snake case if None.
            function: A function that stands for the class, as an identifier and in files.
        """

        def enter(entry: Entry) -> Entry:
            first = name or snake_case(getattr(entry, "__name__", ""))
            self._entries[first] = entry
            if function is not None:
                self._functions[first] = function
            self._aliases += aliases
            self._by_spelling |= {self._spelling(known): entry for known in (first, *aliases)}
            return entry

        return enter

    def names(self) -> list[str]:
        """Return all names, the aliases last."""
        return [*self._entries, *self._aliases]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._spelling(name) in self._by_spelling

    def name_of(self, entry: object) -> str | None:
        """Return the first name of a registered class or function, or of the class that it stands for; else None."""
        known = (*self._entries.items(), *self._functions.items())
        return next((name for name, registered in known if registered is entry), None)

    def get(self, identifier: object) -> T:
        """Return what an identifier stands for.

        Args:
            identifier: A name; a config, ``{"class_name": …, "config": {…}}``; an instance of the base, which is
                returned as it is; a class, which is called for its defaults; or a function.

        Raises:
            ValueError: If the name is unknown; the nearest names are listed.
            TypeError: If it is anything else, or the config has settings that the class doesn't take.
        """
        if self._base is not None:
            if isinstance(identifier, self._base):
                return cast("T", identifier)
            if isinstance(identifier, type) and issubclass(identifier, self._base):
                return cast("T", identifier())
        if callable(identifier):
            if (name := self.name_of(identifier)) is not None:
                return self.make(name)
            if self._of_function is not None:
                return self._of_function(identifier)
        return self.make(*self.parse(identifier))

    def parse(self, identifier: object) -> tuple[str, Config]:
        """Return the name and the settings in a name or a config; a TypeError for anything else."""
        if isinstance(identifier, str):
            return identifier, {}
        if isinstance(identifier, Mapping):
            saved = cast("Mapping[str, object]", identifier)
            name, config = saved.get("class_name"), saved.get("config")
            if isinstance(name, str) and (config is None or isinstance(config, Mapping)):
                return name, dict(cast("Mapping[str, object]", config or {}))
        raise TypeError(f"{self._accepts}, not {identifier!r}")

    def make(self, name: str, config: Mapping[str, object] | None = None) -> T:
        """Return an instance of a registered class, or a registered function, by its name; raises as `get` does."""
        entry = self._by_spelling.get(self._spelling(name))
        if entry is None:
            raise unknown(self.kind, name, self.names())
        if isinstance(entry, type):
            return cast("T", entry(**self.understood(config or {})))
        if config:
            raise TypeError(f"the {self.kind} {name} takes no settings, got {config!r}")
        return cast("T", entry)

    def understood(self, config: Mapping[str, object]) -> Config:
        """Return a config without the settings that say nothing here."""
        return {
            key: value
            for key, value in config.items()
            if not (value is None and self._none_is_default)
            and not (key in self._ignored and self._ignored[key] in (value, ...))
        }

    def _spelling(self, name: str) -> str:
        return name if self._exact else name.replace("_", "").lower()
