"""Which Keras can be used: version 3.10 or newer, on JAX."""

from __future__ import annotations

import importlib
import re
from typing import Any, cast

from ..messages.extras import needed_by

OLDEST = (3, 10)

ADVICE = (
    "set the environment variable before Keras is imported, KERAS_BACKEND=jax python …, or in the script: "
    'import os; os.environ["KERAS_BACKEND"] = "jax"'
)

BACKENDS = ("tensorflow", "torch", "openvino")


def import_keras(user: str) -> Any:
    """Return the package keras.

    Args:
        user: What needs it, for errors.

    Raises:
        ImportError: If it isn't there, is too old, or runs on anything but JAX; the error says what to type.
    """
    missing, keras = None, cast("Any", None)
    with needed_by(user):
        try:
            keras = importlib.import_module("keras")
        except ModuleNotFoundError as error:
            missing = error
            if (error.name or "").partition(".")[0] not in BACKENDS:
                raise
    if missing is not None:
        raise ImportError(f"{user} runs Keras models on JAX, and Keras looks for {missing.name}: {ADVICE}") from missing
    version = str(getattr(keras, "__version__", "0"))
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST:
        raise ImportError(f'{user} needs Keras 3.10 or newer; this is {version}: pip install "epochal[keras]"')
    if (backend := str(keras.backend.backend())) != "jax":
        raise ImportError(f"{user} runs Keras models on JAX, and Keras has been imported for {backend}: {ADVICE}")
    if getattr(keras.config, "is_nnx_enabled", bool)():
        raise ImportError(f"{user} takes Keras's own variables, not flax's: unset KERAS_NNX_ENABLED.")
    return keras
