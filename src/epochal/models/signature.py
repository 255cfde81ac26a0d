"""A model's inputs and outputs: their names and shapes, and data brought into their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import jax

from ..data import advice
from ..data.targets import Shape
from ..engines.jax.trees import Keys, PyTree, with_keys
from ..layers.nests import is_mapping, is_sequence
from ..messages.names import plain_key, suggest
from ..messages.numeric import is_whole
from ..per_output import is_by_name, is_listed


@dataclass(frozen=True)
class Signature:
    """All inputs, or all outputs, of a model.

    Attributes:
        kind: "input" or "output".
        names: In the model's order.
        shapes: With the batch axis in front; None where a size is open.
    """

    kind: str
    names: tuple[str, ...]
    shapes: tuple[Shape, ...]

    @property
    def shape(self) -> Any:
        """The shape of the only port; a list of them for several, None for none."""
        return self.shapes[0] if len(self.shapes) == 1 else list(self.shapes) or None

    def arranged(self, given: PyTree, what: str, optional: Sequence[bool] = (), of: str = "arrays") -> PyTree:
        """Return a user's nest in the model's order: one array for one port, else a tuple.

        Args:
            given: One array, a list or tuple in order, or a dict by name.
            what: What an error calls it, such as "x".
            optional: For each port whether it may be left out; None takes its place.
            of: What an error calls its items.

        Raises:
            ValueError: If a name is missing or unknown, or there are too many or too few.
        """
        optional = optional or [False] * len(self.names)
        if is_mapping(given):
            listed = self._by_name(given, what, optional)
        else:
            listed = list(given) if is_sequence(given) else [given]
        missing = [
            name for name, item, may in zip(self.names, listed, optional, strict=False) if item is None and not may
        ]
        if len(listed) != len(self.names) or missing:
            raise ValueError(f"{self._wanted(what, of)}; got {_described(given)}.")
        return self.packed(listed)

    def packed(self, arrays: Sequence[PyTree]) -> PyTree:
        """Return arrays, one a port, as an arranged nest."""
        return tuple(arrays) if len(self.names) > 1 else arrays[0]

    def listed(self, arranged: PyTree) -> tuple[PyTree, ...]:
        """Return the arrays of an arranged nest, one a port."""
        return arranged if len(self.names) > 1 else (arranged,)

    def _wanted(self, what: str, of: str) -> str:
        names = ", ".join(self.names)
        if len(self.names) == 1:
            return f"the model has one {self.kind}, {names!r}, so {what} is one {of.removesuffix('s')}"
        return f"the model has {len(self.names)} {self.kind}s, so {what} is a list or a dict of {of} for {names}"

    def _by_name(self, given: Mapping[str, PyTree], what: str, optional: Sequence[bool]) -> list[PyTree]:
        for name in given:
            if name not in self.names:
                raise ValueError(f"{what} has {name!r}, which is no {self.kind}. {suggest(str(name), self.names)}")
        for name, may in zip(self.names, optional, strict=True):
            if name not in given and not may:
                raise ValueError(f"{what} lacks {name!r}; the {self.kind}s are {', '.join(self.names)}.")
        return [given.get(name) for name in self.names]

    def each(self, setting: object, what: str, nested: bool = False) -> list[Any]:
        """Return a setting of `compile` for each port.

        Args:
            setting: One for all, a list of one for each, or a dict by name, where None is for those left out.
            what: What an error calls it, such as "loss".
            nested: Whether one port's setting is itself a list, so that a flat list is for all.

        Raises:
            ValueError: If a name is unknown, or the list has another length.
        """
        if is_by_name(setting):
            for name in setting:
                if name not in self.names:
                    raise ValueError(
                        f"{what} names {name!r}, which is no {self.kind}. {suggest(str(name), self.names)}"
                    )
            return [setting.get(name) for name in self.names]
        if not is_listed(setting) or (nested and self.is_for_all(setting)):
            return [setting] * len(self.names)
        if len(setting) != len(self.names):
            names = ", ".join(self.names)
            raise ValueError(f"{what} has {len(setting)} items; the model has {len(self.names)} {self.kind}s: {names}.")
        return list(setting)

    def is_for_all(self, setting: object) -> bool:
        """Return whether a nested setting is a flat list, or one thing, which is for every port."""
        if is_listed(setting):
            return not any(item is None or is_listed(item) for item in setting)
        return not is_by_name(setting)

    def with_last_axes(self, nest: PyTree) -> PyTree:
        """Return an arranged nest in which single numbers, `(batch,)`, are `(batch, 1)` where the ports take those."""
        each = zip(self.listed(nest), self.shapes, strict=True)
        return self.packed([a[:, None] if a.ndim == 1 and shape[1:] == (1,) else a for a, shape in each])

    def check(self, nest: PyTree, what: str, model: str) -> None:
        """Raise a ValueError where an arranged nest has other shapes than the ports take."""
        for name, wanted, array in zip(self.names, self.shapes, self.listed(nest), strict=True):
            sizes = zip(array.shape[1:], wanted[1:], strict=False)
            if len(array.shape) != len(wanted) or any(b not in (None, a) for a, b in sizes):
                which = f" for {name!r}" if len(self.names) > 1 else ""
                raise ValueError(
                    f"{model} takes inputs of shape {wanted}{which}; got {what} of shape {array.shape}."
                    + advice.reshaping(array.shape, wanted, what)
                )


def signature_of_nest(kind: str, nest: PyTree) -> Signature:
    """Return ports for what a plain module returns: a dict's names, else `output_1`, `output_2`, …

    Of a nest the names are put together: `hidden_2` is the second item under `hidden`.
    """
    leaves = with_keys(nest)
    names = tuple(_path_name(kind, path) for path, _ in leaves)
    return Signature(kind, names, tuple(tuple(like.shape) for _, like in leaves))


def check_built_for(inputs: Signature, input_shape: PyTree, name: str) -> None:
    """Raise a ValueError if a model that is built for some inputs is to be built for others.

    Args:
        inputs: The model's.
        input_shape: The shapes to be built for, the batch axis in front, in a list or a dict by name; one may come by
            itself. None for whatever the model has.
        name: The model's.
    """
    if input_shape is None:
        return
    given = inputs.arranged([input_shape] if is_one_shape(input_shape) else input_shape, "input_shape", of="shapes")
    for port, wanted, shape in zip(inputs.names, inputs.listed(given), inputs.shapes, strict=True):
        if _differ(tuple(wanted), shape):
            which = f" for {port!r}" if len(inputs.names) > 1 else ""
            raise ValueError(f"{name} is built already, for inputs of shape {shape}{which}; got {tuple(wanted)}.")


def is_one_shape(input_shape: PyTree) -> TypeGuard[Sequence[int | None]]:
    """Return whether `build` was given the shape of one input, and not a list or a dict of shapes."""
    return all(size is None or is_whole(size) for size in input_shape)


def _differ(one: Shape, other: Shape) -> bool:
    """Return whether two shapes can't be of the same arrays, whatever their batches."""
    sizes = zip(one[1:], other[1:], strict=False)
    return len(one) != len(other) or any(None not in (a, b) and a != b for a, b in sizes)


def _path_name(kind: str, path: Keys) -> str:
    keys = [plain_key(key) for key in path]
    parts = [str(key + 1) if isinstance(key, int) else str(key) for key in keys]
    return "_".join([kind, *parts] if not keys or isinstance(keys[0], int) else parts)


def _described(given: PyTree) -> str:
    if is_mapping(given):
        return f"a dict of {', '.join(map(str, given))}"
    if is_sequence(given):
        return f"{len(given)} of them" + (" with None among them" if any(item is None for item in given) else "")
    return "nothing" if given is None else f"an array of shape {jax.numpy.shape(given)}"
