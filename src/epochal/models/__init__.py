"""Models: compile, fit, evaluate, predict, save, load."""

from ..messages.extras import needed_by

with needed_by(__name__):
    from .cloning import clone_model, model_from_json
    from .loading import load_model
    from .model import Model
    from .sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json"]
