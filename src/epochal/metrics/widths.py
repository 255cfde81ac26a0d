"""The width of an output, for metrics that keep sums of its size."""

from __future__ import annotations

from ..data.targets import Shape


def width_of(metric: str, output_shape: Shape) -> int | None:
    """Return the number of values of an output of shape `(batch, values)`, 1 for `(batch,)`; None if it is open.

    Raises:
        ValueError: If the output has more axes; the error calls the metric by its name.
    """
    if len(output_shape) > 2:
        raise ValueError(f"{metric} needs an output of two axes, the batch and the values, not {output_shape}")
    return output_shape[-1] if len(output_shape) == 2 else 1


def known_width(metric: str, width: int | None) -> int:
    """Return a width that `bind` has set; a ValueError if it hasn't."""
    if width is None:
        raise ValueError(f"{metric} must know the output's width first: metric.bind((None, width))")
    return width
