"""How busy the machine is, sampled in a thread."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Mapping

PERIOD = 1.0
"""Seconds between two samples; processor time is measured over as long."""

CPU, MEMORY, GPU_MEMORY = "system/cpu", "system/memory", "system/gpu_memory"


class SystemSampler:
    """Samples, once a second, how busy the machine is.

    Attributes:
        latest: The last sample by name: percent of all processors' time, bytes of memory in use on the machine, and
            bytes in use on this process's devices, if JAX is at work and they tell. Empty before the first one.
    """

    def __init__(self) -> None:
        self.latest: Mapping[str, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="epochal-system-sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(PERIOD)

    def _run(self) -> None:
        import psutil

        psutil.cpu_percent()  # the first call only begins to measure
        wait = PERIOD / 10  # so that a short fit has a sample too
        while not self._closed.wait(wait):
            memory = psutil.virtual_memory()
            self.latest = {CPU: psutil.cpu_percent(), MEMORY: float(memory.total - memory.available), **_gpu_memory()}
            wait = PERIOD


def _gpu_memory() -> dict[str, float]:
    """Return the bytes in use on this process's devices; nothing where JAX isn't at work, and isn't to begin here."""
    jax, bridge = sys.modules.get("jax"), sys.modules.get("jax._src.xla_bridge")
    if jax is None or bridge is None:
        return {}
    with contextlib.suppress(Exception):  # a device that has been lost tells nothing
        if not bridge.backends_are_initialized():
            return {}
        told = [device.memory_stats() for device in jax.local_devices()]
        if used := [stats["bytes_in_use"] for stats in told if stats and "bytes_in_use" in stats]:
            return {GPU_MEMORY: float(sum(used))}
    return {}
