"""What Keras's own callbacks remember, so that it is a part of a saved run."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any, cast

import keras
import numpy as np

from ..storage.generation import PlainState

ATTRIBUTES: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "best_weights", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best", "epochs_since_last_save", "_batches_seen_since_last_saving",
                                      "_last_batch_seen", "_current_epoch"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.History: ("history", "epoch"),
    keras.callbacks.LearningRateScheduler: (),
    keras.callbacks.LambdaCallback: (),
    keras.callbacks.TerminateOnNaN: (),
    keras.callbacks.ProgbarLogger: (),
}  # fmt: skip
"""The attributes in which callbacks of Keras keep what a fit has brought them; others remember nothing, or files."""


def remember(callback: Any) -> None:
    """Give a callback of Keras the methods by which runs are saved; a subclass of a user's keeps its own, or none."""
    if (names := ATTRIBUTES.get(type(callback))) is None:
        return

    def state_dict() -> PlainState:
        return {name: getattr(callback, name) for name in names if hasattr(callback, name)}

    def load_state_dict(state: PlainState) -> None:
        for name, value in state.items():
            setattr(callback, name, _as_list(value))

    vars(callback).update(state_dict=state_dict, load_state_dict=load_state_dict)


def _as_list(value: object) -> object:
    """Return arrays in a list, as Keras has weights."""
    return list(cast("tuple[np.ndarray, ...]", value)) if isinstance(value, tuple) else value
