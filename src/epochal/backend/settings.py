"""Keras's settings, which have one value here, and what it says of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def backend() -> str:
    """Return the name of the library that computes: "jax"."""
    return "jax"


def epsilon() -> float:
    """Return the small number by which losses and optimizers keep from dividing by 0: 1e-7."""
    return 1e-7


def set_epsilon(value: float) -> None:
    """Take 1e-7, which is so anyway, and refuse any other number with a ValueError."""
    _only("epsilon", value, epsilon(), "give an optimizer or a layer its own, as in Adam(epsilon=…)")


def floatx() -> str:
    """Return the dtype of weights and logs: "float32"."""
    return "float32"


def set_floatx(value: str) -> None:
    """Take "float32", which is so anyway, and refuse any other dtype with a ValueError."""
    _only("floatx", value, floatx(), "compile(dtype='bfloat16') computes in smaller floats, with weights in float32")


def image_data_format() -> str:
    """Return the order of an image's axes: "channels_last"."""
    return "channels_last"


def set_image_data_format(value: str) -> None:
    """Take "channels_last", which is so anyway, and refuse any other order with a ValueError."""
    _only("image_data_format", value, image_data_format(), "np.moveaxis(images, 1, -1) moves the channels to the end")


def _only(name: str, value: object, only: object, advice: str) -> None:
    if value != only:
        raise ValueError(f"{name} is {only!r} here and can't be {value!r}: {advice}.")


def clear_session() -> None:
    """Do nothing: there is no session, layers are numbered within their model, and what nobody holds is freed."""


def int_shape(x: Any) -> tuple[int | None, ...]:
    """Return the shape of an array or a tensor, None where a size is open."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def ndim(x: Any) -> int:
    """Return how many axes an array or a tensor has."""
    return len(int_shape(x))


def dtype(x: Any) -> str:
    """Return the name of the dtype of an array or a tensor."""
    return str(x.dtype) if hasattr(x, "dtype") else str(np.asarray(x).dtype)


def get_value(x: Any) -> Any:
    """Return an array, a weight or a number, such as `optimizer.lr`, as NumPy's array; a number stays one."""
    return x if isinstance(x, (int, float)) else np.asarray(x)
