"""Models: compile, fit, evaluate, predict, save, load."""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .cloning import clone_model, model_from_json
    from .loading import load_model, save_model
    from .model import Model
    from .sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__)
