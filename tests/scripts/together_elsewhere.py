"""Joins processes that run another script."""

from joined import join

join(heartbeat_seconds=2)
