"""How what epochal costs grows: with the batch, the parameters, callbacks, epochs, metrics and layers.

For each the exponent is fitted, of time against size, over the larger half of the sizes: where it is 1, twice the size
takes twice the time. It may be 1.1; where caches make arithmetic itself grow faster, as much as that of the same step
by hand, on rows that are there already, and 0.1. `docs/figures/scaling.json` keeps all samples.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import figures, machine
from benchmarks.contest import report, samples
from benchmarks.training import EpochTime, ReadsLoss
from epochal.layers import Dense
from epochal.metrics import MeanSquaredError
from epochal.models import Sequential

ROUNDS = 4
LIMIT = 1.1
MORE_THAN_BY_HAND = 0.1


@dataclass(frozen=True)
class Series:
    """A cost at several sizes."""

    title: str
    unit: str
    sizes: tuple[int, ...]
    cost: Callable[[int], Callable[[], float]]
    """Makes a contestant of a size, which returns its cost in seconds."""

    scale: float
    """How many units a second is."""

    by_hand: Callable[[int], Callable[[], float]] | None = None
    """The same for the computation alone, where its own cost grows with the size."""


def exponent(costs: Mapping[int, float]) -> float:
    """Return the power of the size by which the cost grows, over the larger half of the sizes.

    Below, what costs the same at any size hides it.
    """
    sizes = sorted(costs)[-(len(costs) // 2 + 1) :]
    return float(np.polyfit(np.log(sizes), np.log([costs[size] for size in sizes]), 1)[0])


def network(width: int = 16, layers: int = 1, metrics: int = 0) -> Sequential:
    """Return a compiled stack of dense layers of one width."""
    hidden = [Dense(width, activation="relu", input_dim=width) for _ in range(layers)]
    model = Sequential([*hidden, Dense(1, input_dim=width)])
    model.compile("adam", "mse", metrics=[MeanSquaredError(name=f"mse_{i}") for i in range(metrics)] or None)
    return model


def width_of(parameters: int) -> int:
    """Return the width of two square layers that together have so many."""
    return round((parameters / 2) ** 0.5)


def data(samples: int, width: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((samples, width), dtype=np.float32), rng.random((samples, 1), dtype=np.float32)


def step_of(model: Sequential, batch: int, steps: int, width: int = 16, callbacks: Iterable[object] = ()):
    """Return a contestant: the seconds of a step, in a second epoch."""
    x, y = data(batch * steps, width)

    def run() -> float:
        timer = EpochTime()
        model.fit(x, y, batch_size=batch, epochs=2, verbose=0, callbacks=[*callbacks, timer])
        return timer.seconds / steps

    return run


def step_by_hand(batch: int, width: int, layers: int, steps: int = 16) -> Callable[[], float]:
    """Return a contestant: the seconds of a jitted, donated step of the same network, on the same rows each time."""
    rng = np.random.default_rng(0)
    shapes = [(width, width)] * layers + [(width, 1)]
    params = [(jnp.asarray(rng.normal(0, 0.05, shape), jnp.float32), jnp.zeros(shape[1])) for shape in shapes]
    optimizer, (x, y) = optax.adam(1e-3), map(jnp.asarray, data(batch, width))
    state = [params, optimizer.init(params)]

    def loss_of(params):
        hidden = x
        for kernel, bias in params[:-1]:
            hidden = jax.nn.relu(hidden @ kernel + bias)
        return jnp.mean((hidden @ params[-1][0] + params[-1][1] - y) ** 2)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, moments):
        loss, gradients = jax.value_and_grad(loss_of)(params)
        updates, moments = optimizer.update(gradients, moments, params)
        return optax.apply_updates(params, updates), moments, loss

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            *state[:], loss = step(*state)
        jax.block_until_ready(loss)
        return (time.perf_counter() - start) / steps

    return run


def fit_of_epochs(epochs: int) -> Callable[[], float]:
    """Return a contestant: the seconds of a whole fit, all of whose epochs the history holds."""
    model, (x, y) = network(), data(128)

    def run() -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
        return time.perf_counter() - start

    return run


def first_epoch_of(layers: int) -> Callable[[], float]:
    """Return a contestant: the seconds to build, compile and train a first epoch."""
    x, y = data(64)

    def run() -> float:
        start = time.perf_counter()
        network(layers=layers).fit(x, y, batch_size=32, verbose=0)
        return time.perf_counter() - start

    return run


SERIES = {
    "batch": Series(
        "a step against its batch's samples (dense, width 64)",
        "µs",
        (32, 128, 512, 2048, 8192, 32768),
        lambda n: step_of(network(64), n, 16, 64),
        1e6,
        lambda n: step_by_hand(n, 64, 1),
    ),
    "parameters": Series(
        "a step against the parameters (two square layers, batch 32)",
        "µs",
        tuple(2 * width * width for width in (64, 128, 256, 512, 1024, 2048)),
        lambda n: step_of(network(width_of(n), 2), 32, 16, width_of(n)),
        1e6,
        lambda n: step_by_hand(32, width_of(n), 2),
    ),
    "callbacks": Series(
        "a step against callbacks that each keep every loss",
        "µs",
        (1, 4, 16, 64, 256),
        lambda n: step_of(network(), 32, 256, callbacks=[ReadsLoss() for _ in range(n)]),
        1e6,
    ),
    "epochs": Series(
        "a fit against its epochs, which the history holds", "ms", (25, 100, 400, 1600, 6400), fit_of_epochs, 1e3
    ),
    "metrics": Series(
        "a step against metrics", "µs", (1, 2, 4, 8, 16, 32), lambda n: step_of(network(metrics=n), 32, 512), 1e6
    ),
    "layers": Series(
        "building, compiling and a first epoch against layers", "s", (2, 4, 8, 16, 32, 64), first_epoch_of, 1
    ),
    "layers_step": Series(
        "a step against layers", "µs", (2, 4, 8, 16, 32, 64), lambda n: step_of(network(layers=n), 32, 128), 1e6
    ),
}


def measure(series: Series) -> dict[str, Any]:
    """Return all samples by size, in the series' unit, and the exponents of the best of each: noise only adds."""
    contestants = {("ours", size): series.cost(size) for size in series.sizes}
    if series.by_hand:
        contestants |= {("by hand", size): series.by_hand(size) for size in series.sizes}
    taken = samples(contestants, ROUNDS)
    found: dict[str, Any] = {"title": series.title, "unit": series.unit, "limit": LIMIT}
    for whose in dict.fromkeys(who for who, _ in contestants):
        times = {size: [second * series.scale for second in taken[whose, size]] for size in series.sizes}
        fitted = exponent({size: min(of_size) for size, of_size in times.items()})
        found[whose] = {"samples": times, "exponent": fitted}
    if series.by_hand:
        found["limit"] = max(LIMIT, found["by hand"]["exponent"] + MORE_THAN_BY_HAND)
    return found


def main() -> None:
    results: dict[str, Any] = {
        "command": "python -m benchmarks scaling",
        "machine": machine.description(["epochal", "jax", "jaxlib", "flax", "optax", "numpy"]),
        "began": machine.moment(),
    }
    measured = results["series"] = {}
    for name, series in SERIES.items():
        measured[name] = measure(series)
        report(f"exponent: {series.title}", measured[name]["ours"]["exponent"], measured[name]["limit"], "")
    results["ended"] = machine.moment()
    figures.save("scaling", results)
