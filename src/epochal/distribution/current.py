"""The distribution that models are trained with."""

from __future__ import annotations

from .distributions import Distribution

_current: Distribution | None = None


def set_distribution(value: Distribution | None) -> None:
    """Let models be trained, evaluated and asked for predictions on the devices of a distribution from now on.

    A model takes it up when it is used for the first time after `compile`; compile one that is in use again.

    >>> from epochal import distribution
    >>> distribution.set_distribution(distribution.DataParallel())
    >>> distribution.set_distribution(None)

    Args:
        value: The distribution; None for JAX's default device alone.

    Raises:
        TypeError: If it is none.
    """
    global _current
    if value is not None and not isinstance(value, Distribution):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a distribution is a DataParallel(), a ModelParallel(…) or None; got {value!r}.")
    _current = value


def distribution() -> Distribution | None:
    """Return the distribution that `set_distribution` has set; None without one."""
    return _current
