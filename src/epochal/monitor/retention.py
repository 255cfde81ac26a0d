"""Runs that nobody has heard of for long are deleted."""

from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
import time

from .commits import BusyError, CommitQueue
from .store import Store

PERIOD = 3_600.0
"""Seconds between two looks for old runs."""

DAY = 86_400.0


async def forget_old(store: Store, commits: CommitQueue, days: float) -> None:
    """Delete runs last heard of more than so many days ago, now and once an hour; archived ones stay.

    Each is deleted in a commit of its own, in between posts.
    """
    while True:
        try:
            before = time.time() - days * DAY
            for id in await asyncio.to_thread(store.unheard_since, before):
                await commits.write(functools.partial(Store.delete, id=id, unheard_since=before))
        except (sqlite3.Error, BusyError) as error:
            logging.getLogger(__name__).warning("old runs couldn't be deleted, which is tried again: %s", error)
        await asyncio.sleep(PERIOD)
