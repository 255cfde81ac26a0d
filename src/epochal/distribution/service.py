"""JAX's coordination service: how processes find each other, and the keys and texts that they share.

The only module that touches what JAX keeps private: `jax.distributed` offers no way to the keys, nor one past its exit
barrier. It is imported where it is used, so that one process depends on nothing private.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import jax

OWN_HEARTBEAT = 10
"""How many times longer JAX waits for a sign of life than the watch: it would abort the processes in its own words."""

PREFIX = "epochal/"

config: Any = jax.config
Failure: type[Exception] = jax.errors.JaxRuntimeError  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@dataclass(frozen=True)
class Place:
    """Which of the processes this is; None where nobody has said it."""

    address: str | None
    count: int | None
    index: int | None
    devices: Sequence[int] | None


def find(place: Place, seconds: float) -> Place:
    """Return a place with what it lacks as JAX finds it: from SLURM, Open MPI, Kubernetes or a TPU pod."""
    from jax._src import clusters

    detect: Any = clusters.ClusterEnv.auto_detect_unset_distributed_params
    return Place(*detect(*astuple(place), None, round(seconds)))


def is_connected() -> bool:
    """Return whether `jax.distributed.initialize` was called."""
    return jax.distributed.is_initialized()


def platforms() -> str | None:
    """Return which platforms JAX was told to use, such as "cpu"; None if it chooses."""
    return config.jax_platforms


def has_devices() -> bool:
    """Return whether JAX has made its devices, after which it can't learn of other processes."""
    from jax._src import xla_bridge

    return xla_bridge.backends_are_initialized()


def connect(place: Place, heartbeat: float, seconds: float) -> None:
    """Join the other processes, and return once all have come; a failure may end the process in JAX's words.

    Args:
        place: Where and which; nothing is None but the devices.
        heartbeat: The watch's, in seconds.
        seconds: How long the others may take to come.
    """
    config.update("jax_enable_preemption_service", False)  # it would swallow SIGTERM
    jax.distributed.initialize(
        *astuple(place),
        cluster_detection_method="deactivate",
        initialization_timeout=round(seconds),
        heartbeat_timeout_seconds=max(100, round(OWN_HEARTBEAT * heartbeat)),
    )


def detach() -> None:
    """Let this process end past JAX's exit barrier, which would wait for those that never come.

    The objects live on until the system closes their sockets: their destructors would wait at that barrier too.
    """
    state = _state()
    for held in (state.client, state.service):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))
    state.client = state.service = None


def _state() -> Any:
    from jax._src import distributed

    return distributed.global_state


class Service:
    """Texts by key that all connected processes share; threads may use it."""

    def __init__(self) -> None:
        self._client: Any = _state().client

    def put(self, key: str, value: str) -> None:
        """Set a text, also one that is there; blocks as long as the coordinator is silent.

        Raises:
            ConnectionError: If the coordinator is gone.
        """
        try:
            self._client.key_value_set(PREFIX + key, value, allow_overwrite=True)
        except Failure as error:
            raise ConnectionError(str(error)) from None

    def wait(self, key: str, seconds: float) -> str:
        """Return a text, as soon as it is there.

        Raises:
            TimeoutError: If it isn't there in time, or the coordinator is silent.
            ConnectionError: If the coordinator is gone.
        """
        try:
            return self._client.blocking_key_value_get(PREFIX + key, max(1, round(1000 * seconds)))
        except Failure as error:
            kind = TimeoutError if str(error).startswith("DEADLINE_EXCEEDED") else ConnectionError
            raise kind(str(error)) from None

    def delete(self, key: str) -> None:
        """Forget a text, or all whose keys begin with a folder.

        Raises:
            ConnectionError: If the coordinator is gone.
        """
        try:
            self._client.key_value_delete(PREFIX + key)
        except Failure as error:
            raise ConnectionError(str(error)) from None

    def list(self, folder: str) -> dict[str, str]:
        """Return the texts whose keys begin with a folder, by the rest of their keys.

        Raises:
            ConnectionError: If the coordinator is gone.
        """
        path = f"{PREFIX}{folder}/"
        try:
            found: list[tuple[str, str]] = self._client.key_value_dir_get(path)
        except Failure as error:
            raise ConnectionError(str(error)) from None
        return {key.removeprefix(path): text for key, text in found}
