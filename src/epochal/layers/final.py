"""Settings of the layers here that are final once a layer is built, since its `build` has used them."""

from __future__ import annotations

import functools
import inspect

READ_LATER = {
    "activation", "function", "name", "trainable", "input_shape", "return_sequences", "return_state",
}  # fmt: skip
"""Settings that hold from the next `compile` on, or change nothing that is computed."""


@functools.cache
def _final_settings(kind: type[object]) -> frozenset[str]:
    """Return the constructor's arguments of the classes of this package among a layer's."""
    here = __name__.partition(".")[0]
    ours = [base for base in kind.__mro__ if base.__module__.partition(".")[0] == here and "__init__" in vars(base)]
    names = {name for base in ours for name in inspect.signature(vars(base)["__init__"]).parameters}
    return frozenset(names - READ_LATER - {"self"})


def check(layer: object, name: str, value: object) -> None:
    """Refuse to change a setting of a built layer that nothing would look at any more.

    Raises:
        AttributeError: If it is one; says what to do.
    """
    before: dict[str, object] = vars(layer)
    if not before.get("built") or name not in before or name not in _final_settings(type(layer)):
        return
    if before[name] is not value and before[name] != value:
        raise AttributeError(
            f"{name} of the layer {before['name']!r} is {before[name]!r} since it was built: make a new layer, give it "
            "the old one's weights (set_weights), and make the model of that."
        )
