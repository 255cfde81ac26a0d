"""Names of layers that have none of their own."""

from __future__ import annotations

from collections.abc import Iterable

from ..messages import names


def class_name(layer: object) -> str:
    """Return Keras's name of a layer's class."""
    return getattr(layer, "keras_class", type(layer).__name__)


def snake_case(layer: object) -> str:
    """Return a layer's class name as Keras numbers it: `MaxPooling2D` is `max_pooling2d`."""
    return names.snake_case(class_name(layer))


def numbered_by_class(classes: Iterable[str]) -> list[str]:
    """Return class names, the second and later ones of each with a number: `dense`, `dense_1`, `add`, `dense_2`."""
    counts: dict[str, int] = {}
    numbered: list[str] = []
    for name in classes:
        number = counts[name] = counts.get(name, -1) + 1
        numbered.append(f"{name}_{number}" if number else name)
    return numbered


class Names:
    """Names that are taken, and by class the number that comes next.

    Args:
        taken: Names that nobody else may have.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)
        self._next: dict[str, int] = {}

    def free(self, name: str) -> str:
        """Take a name, with a number if it is taken: `dense`, `dense_1`, `dense_2`."""
        number = self._next.get(name, 0)
        while (candidate := f"{name}_{number}" if number else name) in self.taken:
            number += 1
        self._next[name] = number + 1
        self.taken.add(candidate)
        return candidate
