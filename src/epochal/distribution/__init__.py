"""Training on many devices and in many processes: the same script, the same callbacks.

>>> from epochal import distribution
>>> distribution.initialize()  # in each of several processes; nothing to do in one alone
>>> distribution.set_distribution(distribution.DataParallel())  # every device of every process
>>> distribution.set_distribution(None)
"""

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .current import distribution, set_distribution
    from .distributions import DataParallel, Distribution, ModelParallel
    from .layout_map import LayoutMap
    from .processes import initialize, is_primary, process_count, process_index

__all__ = [
    "DataParallel",
    "Distribution",
    "LayoutMap",
    "ModelParallel",
    "distribution",
    "initialize",
    "is_primary",
    "process_count",
    "process_index",
    "set_distribution",
]

__getattr__ = missing_names(__name__, __all__)
