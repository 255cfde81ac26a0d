"""What figures were measured on."""

import datetime
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")
"""Variables of the environment that change how fast libraries are."""


def description(libraries: Iterable[str]) -> dict[str, object]:
    """Return the processor, cores, memory, versions, and what the environment says of threads."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.platform(terse=True),
        "environment": {name: os.environ[name] for name in THREADS if name in os.environ},
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in sorted(set(libraries))},
    }


def moment() -> dict[str, object]:
    """Return the time, and how many processes have been running on average in the last minute."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"time": now, "load": round(os.getloadavg()[0], 2)}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
