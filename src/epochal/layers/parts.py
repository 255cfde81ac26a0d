"""The earlier name of `members`."""

from .members import is_model, module_in

__all__ = ["is_model", "module_in"]
