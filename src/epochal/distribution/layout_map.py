"""Which axes of a mesh the axes of weights lie on, by rules for the weights' paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import TypeAlias, cast

from ..messages.names import first_few

Axis: TypeAlias = str | tuple[str, ...] | None
"""The axis of the mesh that an axis of a weight is dealt out over, or several; None: each device has all of it."""

Layout: TypeAlias = tuple[Axis, ...]
"""One `Axis` for each axis of a weight; those that are left out at the end are None."""

MOST_PATHS = 20
"""How many paths an error lists."""


class LayoutMap(MutableMapping[str, Layout]):
    r"""Rules that say how weights lie on the devices of a mesh, as `keras.distribution.LayoutMap` has them.

    A key is a path, or a regular expression that is searched in paths; `model.weights_by_layer()` shows a model's, as
    `layer/weight`, and a Keras model has them as `variable.path`. A weight for which there is no rule lies whole on
    every device. What an optimizer keeps for a weight, and averages of it, lie as the weight does.

    Fully sharded data parallel training (FSDP) is a map that names the axis of the batch: each device then keeps its
    part of the weights and of the optimizer's state, and gets the others' when a step needs them.

    >>> rules = LayoutMap({r"dense.*/kernel": (None, "model"), r"dense.*/bias": ("model",)})
    >>> rules.layouts({"dense/kernel": (8, 16), "output/kernel": (16, 3), "dense/bias": (16,)}, {"model": 4})
    {'dense/kernel': (None, 'model'), 'dense/bias': ('model',)}

    Args:
        rules: Layouts by path. A layout has for each axis of the weight the name of an axis of the mesh, a tuple of
            such names, or None.

    Raises:
        TypeError: If a rule is no layout by a regular expression.
        ValueError: If a layout names an axis of the mesh twice.
    """

    def __init__(self, rules: Mapping[str, Sequence[Axis]] | None = None) -> None:
        self._rules: dict[str, Layout] = {}
        for pattern, layout in (rules or {}).items():
            self[pattern] = cast("Layout", layout)

    def __setitem__(self, pattern: str, layout: Sequence[Axis]) -> None:
        checked = _checked(pattern, layout)
        if pattern in self._rules:
            raise ValueError(f"the layout map has a rule for {pattern!r} already: delete it first.")
        self._rules[pattern] = checked

    def __getitem__(self, pattern: str) -> Layout:
        return self._rules[pattern]

    def __delitem__(self, pattern: str) -> None:
        del self._rules[pattern]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"LayoutMap({self._rules!r})"

    def axes(self) -> set[str]:
        """Return the axes of the mesh that the rules name."""
        return {name for layout in self._rules.values() for axis in layout for name in names_in(axis)}

    def layouts(
        self, weights: Mapping[str, tuple[int, ...]], mesh: Mapping[str, int]
    ) -> dict[str, Layout]:  # fmt: skip
        """Return the layouts of the weights that there is a rule for.

        Args:
            weights: The shapes of all weights of a model, by path.
            mesh: The number of devices along each axis of the mesh.

        Raises:
            ValueError: If a rule is for no weight, two are for the same one, or a weight can't be dealt out evenly as
                its rule says.
        """
        found: dict[str, Layout] = {}
        unused = set(self._rules)
        for path, shape in weights.items():
            patterns = [path] if path in self._rules else [p for p in self._rules if re.search(p, path)]
            if len(patterns) > 1:
                raise ValueError(f"{path} has several rules in the layout map: {', '.join(map(repr, patterns))}.")
            for pattern in patterns:
                _check_fits(path, shape, self._rules[pattern], mesh)
                found[path] = self._rules[pattern]
                unused.discard(pattern)
        if unused:
            rules = ", ".join(repr(pattern) for pattern in self._rules if pattern in unused)
            raise ValueError(
                f"the layout map has rules for no weight: {rules}. The weights are {first_few([*weights], MOST_PATHS)}."
            )
        return found


def names_in(axis: Axis) -> tuple[str, ...]:
    """Return the names of the axes of the mesh that an axis of a weight lies on."""
    return () if axis is None else (axis,) if isinstance(axis, str) else axis


def _checked(pattern: object, layout: object) -> Layout:
    if not isinstance(pattern, str):
        raise TypeError(f"a rule's key is a path, or a regular expression for paths; got {pattern!r}.")
    try:
        re.compile(pattern)
    except re.error as error:
        raise TypeError(f"{pattern!r} is no regular expression: {error}.") from error
    axes = cast("Sequence[object]", layout) if isinstance(layout, (tuple, list)) else None
    if axes is None or not all(_is_axis(axis) for axis in axes):
        raise TypeError(
            f"the rule for {pattern!r} has for each axis of the weight the name of an axis of the mesh, a tuple of "
            f"names, or None, such as (None, 'model'); got {layout!r}."
        )
    checked = cast("Layout", tuple(axes))
    names = [name for axis in checked for name in names_in(axis)]
    if len(set(names)) < len(names):
        raise ValueError(f"the rule for {pattern!r} names an axis of the mesh twice: {checked}.")
    return checked


def _is_axis(axis: object) -> bool:
    if isinstance(axis, tuple):
        return all(isinstance(name, str) for name in cast("tuple[object, ...]", axis))
    return axis is None or isinstance(axis, str)


def _check_fits(path: str, shape: tuple[int, ...], layout: Layout, mesh: Mapping[str, int]) -> None:
    if len(layout) > len(shape):
        raise ValueError(f"{path} has the shape {shape}, and its rule in the layout map more axes: {layout}.")
    for at, axis in enumerate(layout):
        devices = 1
        for name in names_in(axis):
            if name not in mesh:
                raise ValueError(f"{path} is to lie on the axis {name!r} of the mesh, which has {', '.join(mesh)}.")
            devices *= mesh[name]
        if shape[at] % devices:
            raise ValueError(
                f"{path} has the shape {shape}: its axis {at} can't be dealt out evenly over the {devices} devices of "
                f"{axis!r}. Give it another rule, or none."
            )
