"""Joins the processes that `processes.run` has started."""

import faulthandler
import os

from epochal import distribution

INDEX, COUNT = int(os.environ["PROCESS"]), int(os.environ["PROCESSES"])
LIMIT = float(os.environ["LIMIT"])


def join(**options):
    """Print the stacks of what hangs, before the limit, and join the others."""
    faulthandler.dump_traceback_later(0.8 * LIMIT)
    distribution.initialize(os.environ["COORDINATOR"], COUNT, INDEX, **options)
