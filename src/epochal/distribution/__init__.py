"""Training on many devices and in many processes: the same script, the same callbacks.

>>> from epochal import distribution
>>> distribution.set_distribution(distribution.DataParallel())  # every device of every process
>>> distribution.set_distribution(None)
"""

from .current import distribution, set_distribution
from .distributions import DataParallel, Distribution, ModelParallel
from .layout_map import LayoutMap

__all__ = ["DataParallel", "Distribution", "LayoutMap", "ModelParallel", "distribution", "set_distribution"]
