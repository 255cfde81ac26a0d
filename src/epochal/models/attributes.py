"""Attributes that somebody sets on a model, and that nothing here would look at."""

from __future__ import annotations

import difflib

FIXED: dict[str, tuple[tuple[object, ...], str]] = {
    "dtype_policy": ((), "give compile a dtype, such as dtype='bfloat16'"),
    "jit_compile": ((True, "auto", None), "steps are always compiled"),
    "loss_weights": ((), "compile again, with loss_weights=…"),
    "run_eagerly": ((False, None), "steps are always compiled; jax.debug.print prints within them"),
    "steps_per_execution": ((1, "auto"), "a fit runs as many steps at once as its callbacks let it"),
}
"""Attributes of Keras's models that can't be chosen here: the values that say what is so anyway, and what to do."""

FIXED_IN_COMPILE: dict[str, tuple[tuple[object, ...], str]] = {
    **{name: FIXED[name] for name in ("run_eagerly", "jit_compile", "steps_per_execution")},
    "sample_weight_mode": (
        (None, "temporal"),
        "sample_weight says by its shape what it weighs",
    ),
}
"""Arguments of Keras's `compile` that can't be chosen here, in the same way."""

SETTABLE = ("optimizer", "stop_training", "stop_evaluating", "stop_predicting", "trainable")
"""What is worth a look whether it is misspelt."""


def check_fixed(**given: object) -> None:
    """Refuse arguments of `compile` that would do nothing.

    Raises:
        ValueError: If one has another value than what is so anyway; says what to do.
    """
    for name, value in given.items():
        accepted, advice = FIXED_IN_COMPILE[name]
        if not any(value is one or (type(value) is type(one) and value == one) for one in accepted):
            raise ValueError(f"{name} can't be {value!r}: {advice}.")


def check(model: object, name: str, value: object) -> None:
    """Refuse to set an attribute of a model that would do nothing.

    Raises:
        AttributeError: If it is one of Keras's that can't be chosen here, one that only tells something, or a
            misspelt one; says what to do.
    """
    kind: type[object] = type(model)
    if name in FIXED:
        accepted, advice = FIXED[name]
        if value not in accepted:
            raise AttributeError(f"{kind.__name__}.{name} can't be {value!r}: {advice}.")
    found = getattr(kind, name, None)
    if isinstance(found, property) and found.fset is None:
        raise AttributeError(f"{kind.__name__}.{name} only tells what is so; it can't be set.{_instead(name)}")
    is_new = found is None and name not in vars(model) and name not in SETTABLE and not name.startswith("_")
    if is_new and (near := difflib.get_close_matches(name, SETTABLE, n=1, cutoff=0.88)):
        raise AttributeError(f"{kind.__name__} has no attribute {name!r}. Did you mean {near[0]!r}?")


def _instead(name: str) -> str:
    if name in ("loss", "metrics", "metrics_names"):
        return " Compile again."
    if name == "layers":
        return " Make another model of the layers, or add one to a Sequential."
    return ""
