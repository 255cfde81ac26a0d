"""Several processes: how they start together."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep

import jax

from .. import __version__
from ..core.processes import THIS
from ..data.seeds import seed_state, set_seed_state
from ..messages.numeric import real, whole
from ..messages.printing import let_another_speak
from . import service, watch
from .exchange import Exchange
from .service import Place, Service

JOINED = "initialize() was called before: this is process {} of {}. Call it once, as the script's first line."


def initialize(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    local_device_ids: int | Sequence[int] | None = None,
    heartbeat_seconds: float = 10.0,
    timeout_seconds: float = 300.0,
    late_seconds: float = watch.LATE_SECONDS,
) -> None:
    """Join the processes that train together; call it before anything makes JAX's devices.

    Each process runs the same script with the same arguments, but for `process_id`. Under SLURM, Open MPI, Kubernetes
    and on TPU pods JAX finds the first three by itself, and the address in the environment's JAX_COORDINATOR_ADDRESS
    too; a script that is started alone, with nothing given or found, runs as one process. All processes take over the
    random numbers of the primary, which is process 0.

    From then on a process that ends, hangs or can't be reached ends the others within two heartbeats, with an error
    that names it; one that lets the others wait is named in a warning. Where the primary is killed outright, JAX may
    end the others at once, in words of its own. JAX's preemption service is off, so that a SIGTERM takes its course.

    >>> initialize()  # nothing is given or found
    >>> process_count(), is_primary()
    (1, True)
    >>> initialize("10.0.0.1:1234", num_processes=2, process_id=0)  # doctest: +SKIP

    Args:
        coordinator_address: "host:port" of the primary: a name or address at which all reach it, and a free port.
        num_processes: How many processes there are.
        process_id: The number of this one, from 0.
        local_device_ids: Which of the machine's GPUs this process takes, by number; all by default.
        heartbeat_seconds: After how many seconds without a sign of life a process counts as ended. A call that keeps
            Python's interpreter lock gives no sign as long as it runs.
        timeout_seconds: How long to wait for the other processes.
        late_seconds: After how many seconds of waiting a warning names the process that is waited for.

    Raises:
        ValueError: If the arguments don't make sense, or only some of the first three are known.
        RuntimeError: If it was called before, or after JAX has made its devices; if other processes run another
            script, or other versions.
        TimeoutError: If the others, or the coordinator, aren't there in time.
    """
    heartbeat, seconds, late = (
        _positive(name, value)
        for name, value in {
            "heartbeat_seconds": heartbeat_seconds,
            "timeout_seconds": timeout_seconds,
            "late_seconds": late_seconds,
        }.items()
    )
    if THIS.count > 1:
        raise RuntimeError(JOINED.format(THIS.index, THIS.count))
    if service.is_connected():
        raise RuntimeError("jax.distributed.initialize() was called before: call epochal's initialize() instead of it.")
    place = _place(coordinator_address, num_processes, process_id, local_device_ids, seconds)
    if place is None:
        return
    if service.has_devices():
        raise RuntimeError(
            "initialize() comes too late: JAX has made its devices already, as jax.devices(), any array of JAX and any "
            "model make it do. Call it first."
        )
    _connect(place, heartbeat, seconds)
    THIS.index, THIS.count = int(place.index or 0), int(place.count or 1)
    exchange = Exchange(Service(), THIS, late)
    THIS.exchange, THIS.collect, THIS.explain = exchange, exchange.collect, watch.explained
    if not THIS.is_primary:
        let_another_speak()
    watch.start(heartbeat, late)
    with THIS.waiting():
        _agree(Service(), seconds)


def is_primary() -> bool:
    """Return whether this is the process that writes files and prints for all: number 0, or the only one."""
    return THIS.is_primary


def process_count() -> int:
    """Return how many processes train together; 1 before `initialize`."""
    return THIS.count


def process_index() -> int:
    """Return the number of this process, from 0."""
    return THIS.index


def _positive(what: str, value: float) -> float:
    if (number := real(what, value)) > 0:
        return number
    raise ValueError(f"{what} must be greater than 0; got {value!r}.")


def _place(
    address: str | None, count: int | None, index: int | None, devices: int | Sequence[int] | None, seconds: float
) -> Place | None:
    """Return where this process is; None if it is the only one, or nothing says that there are others."""
    count = None if count is None else whole("num_processes", count, least=1)
    index = None if index is None else whole("process_id", index, least=0)
    ids = _device_ids(devices)
    place = service.find(Place(address or os.environ.get("JAX_COORDINATOR_ADDRESS"), count, index, ids), seconds)
    known = {"coordinator_address": place.address, "num_processes": place.count, "process_id": place.index}
    missing = [name for name, value in known.items() if value is None]
    if len(missing) == 3 or place.count == 1:
        if ids is not None:
            raise ValueError("local_device_ids is for several processes, and nothing says that there are others.")
        return None
    if missing:
        given = ", ".join(f"{name}={value!r}" for name, value in known.items() if value is not None)
        raise ValueError(
            f"initialize() knows {given}, but not {' and '.join(missing)}, and no cluster that JAX knows (SLURM, Open "
            f"MPI, Kubernetes, TPU pods) tells it. Give all three."
        )
    if not int(place.index or 0) < int(place.count or 0):
        raise ValueError(
            f"process_id={place.index} isn't one of {place.count} processes: their numbers are 0 to "
            f"{int(place.count or 0) - 1}."
        )
    return place


def _device_ids(devices: int | Sequence[int] | None) -> list[int] | None:
    if devices is None:
        return None
    if service.platforms() == "cpu":
        raise ValueError("local_device_ids chooses GPUs, and JAX_PLATFORMS is cpu. Leave it out.")
    each = [devices] if isinstance(devices, int) else devices
    return [whole("Each of local_device_ids", device, least=0) for device in each]


def _connect(place: Place, heartbeat: float, seconds: float) -> None:
    """Connect within some seconds; what JAX would end the process for is looked at before."""
    began, address = monotonic(), str(place.address)
    host, port = _host_and_port(address)
    if place.index == 0:
        _see_that_it_is_free(port, address)
    else:
        _reach(host, port, seconds)
    failures: list[BaseException] = []

    def join() -> None:
        try:  # it would abort the process when its time is over
            service.connect(place, heartbeat, seconds + 3600)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=join, name="epochal-connects", daemon=True)
    thread.start()
    thread.join(max(1.0, seconds - (monotonic() - began)))
    if failures:
        raise RuntimeError(f"Process {place.index} can't join the others at {address}: {failures[0]}") from failures[0]
    if thread.is_alive():
        service.detach()
        raise TimeoutError(
            f"Process {place.index} has waited {seconds:g} s at {address} for all {place.count} processes to come. "
            f"Start each with the same address and num_processes and with a process_id of its own, and look at their "
            f"logs; timeout_seconds may be longer."
        )


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f'coordinator_address must be "host:port", such as "10.0.0.1:1234"; got {address!r}.')
    return host.strip("[]"), int(port)


def _see_that_it_is_free(port: int, address: str) -> None:
    """Raise if the primary can't listen: JAX would crash, or share the port with another run."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen(1)
        except OSError as error:
            raise RuntimeError(
                f"Process 0 can't listen at {address} ({error.strerror}): another program has the port, maybe a run "
                f"that hasn't ended. Choose another one."
            ) from None


def _reach(host: str, port: int, seconds: float) -> None:
    """Wait until something answers at the coordinator's address."""
    until = monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port), timeout=max(0.1, min(5.0, until - monotonic()))).close()
        except OSError as error:
            if monotonic() >= until:
                raise TimeoutError(
                    f"No coordinator was at {host}:{port} for {seconds:g} s ({error.strerror or error}). Is process 0 "
                    f"running, with the same coordinator_address? Can this machine reach that host and port "
                    f"(firewalls, names)? timeout_seconds may be longer."
                ) from None
            sleep(min(0.2, max(0.0, until - monotonic())))
        else:
            return


def _agree(shared: Service, seconds: float) -> None:
    """See that all processes run the same, and take over the primary's random numbers."""
    mine = _what_runs_here()
    if THIS.is_primary:
        shared.put("random", json.dumps(seed_state()))
    shared.put(f"runs/{THIS.index}", json.dumps(mine))
    for other in range(1, THIS.count) if THIS.is_primary else (0,):
        theirs = json.loads(shared.wait(f"runs/{other}", seconds))
        for what, value in mine.items():
            if theirs[what] != value:
                raise RuntimeError(
                    f"Process {THIS.index} and process {other} differ in {what}: {value} and {theirs[what]}. All "
                    f"processes must run the same."
                )
    set_seed_state(json.loads(shared.wait("random", seconds)))


def _what_runs_here() -> dict[str, str]:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    script = "none"
    if path is not None and Path(path).is_file():
        script = f"{Path(path).name} (SHA-256 {hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]})"
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "num_processes": str(THIS.count),
        "epochal's version": __version__,
        "JAX's version": jax.__version__,
        "Python's version": python,
        "the script": script,
    }
