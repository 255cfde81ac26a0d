"""Models: compile, fit, evaluate, predict, save, load."""

from ..messages.extras import needed_by

with needed_by(__name__):
    from .loading import load_model
    from .model import Model
    from .sequential import Sequential

__all__ = ["Model", "Sequential", "load_model"]
