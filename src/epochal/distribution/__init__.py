"""Training by several processes, on any number of machines."""

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .processes import initialize, is_primary, process_count, process_index

__all__ = ["initialize", "is_primary", "process_count", "process_index"]

__getattr__ = missing_names(__name__, __all__)
