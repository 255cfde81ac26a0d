"""Rules about the shapes of targets and outputs; the first axis, the batch, isn't looked at."""

from __future__ import annotations

Shape = tuple[int | None, ...]


def takes_class_numbers(labels: Shape, output: Shape) -> bool:
    """Return whether labels of that shape have one class number where the output has a value for each class."""
    return labels[1:] in (output[1:-1], (*output[1:-1], 1)) and labels[1:] != output[1:]


def stay_integers(labels: Shape, output: Shape) -> bool:
    """Return whether integers of that shape number something, such as classes, and aren't compared with the output.

    They do where the output has one axis more, or where they have one number for several values of the output.
    """
    if lacks_last_axis(labels, output):
        return False
    return len(output) == len(labels) + 1 or takes_class_numbers(labels, output)


def lacks_last_axis(shape: Shape, other: Shape) -> bool:
    """Return whether another shape is this one with an axis of 1 at its end."""
    return other[1:] == (*shape[1:], 1) and len(other) == len(shape) + 1


def weighs_steps(weight: Shape, output: Shape) -> bool:
    """Return whether weights of that shape weigh the steps of an output, `(batch, steps, …, values)`."""
    return 1 < len(weight) < len(output) and weight[1:] == output[1 : len(weight)]


def sized(shape: Shape, like: Shape) -> Shape:
    """Return a shape whose open axes, but for the batch, have the sizes that another one has there."""
    return tuple(like[at] if n is None and 0 < at < len(like) else n for at, n in enumerate(shape))
