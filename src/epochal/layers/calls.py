"""The earlier name of `symbolic_ends`."""

from .symbolic_ends import HOLDERS, KEEPERS, Ends, Keeper, ends_of

__all__ = ["HOLDERS", "KEEPERS", "Ends", "Keeper", "ends_of"]
