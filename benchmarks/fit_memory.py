"""Peak memory of a fit of 100 M parameters, against a step written by hand and the bytes that it can't do without."""

import subprocess
import sys

from benchmarks.contest import report

WEIGHTS = 400_000_000

COMMON = """
import re, sys
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np, optax
from epochal.layers import Dense
from epochal.models import Sequential

def status(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def model(width, hidden):
    made = Sequential([*(Dense(n, use_bias=False, kernel_initializer="zeros") for n in (hidden, width))])
    made.compile(loss="mse", optimizer=optimizer)
    made.build((None, width))
    return made

def data(width):
    rng = np.random.default_rng(0)
    return rng.random((64, width), dtype=np.float32), rng.random((64, width), dtype=np.float32)

def fit(model, x, y):
    model.fit(x, y, batch_size=32, epochs=2, verbose=0, shuffle=False)

def by_hand(weights, state, x, y):
    def loss(weights, x, y):
        return jnp.mean((x @ weights[0] @ weights[1] - y) ** 2)

    def step(weights, state, x, y):
        gradients = jax.grad(loss)(weights, x, y)
        updates, state = rule.update(gradients, state)
        return optax.apply_updates(weights, updates), state

    step = jax.jit(step, donate_argnums=(0, 1))
    for at in (0, 32, 0, 32):
        weights, state = step(weights, state, x[at : at + 32], y[at : at + 32])
    jax.block_until_ready((weights, state))
    return weights, state

contestant, optimizer, WIDTH, HIDDEN = sys.argv[1], sys.argv[2], 5_000, 10_000
rule = {"sgd": optax.sgd(0.01), "adam": optax.adam(0.001)}[optimizer]
slots = {"sgd": 0, "adam": 2}[optimizer]
ours = contestant == "ours"
small, large = (30, 50), (WIDTH, HIDDEN)

def arrays(width, hidden):
    weights = [jnp.full((width, hidden), 1e-3), jnp.full((hidden, width), 1e-3)]
    return weights, rule.init(weights)

def peak_of(width, hidden):
    x, y = data(width)
    parts = [model(width, hidden)] if ours else [*arrays(width, hidden)]
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest resident set so far: that of making the weights
    fit(parts.pop(), x, y) if ours else by_hand(parts.pop(0), parts.pop(), x, y)
    return status("VmHWM")

peak_of(*small)
before = status("VmRSS")
x, _ = data(WIDTH)
held = 4 * WIDTH * HIDDEN * 2 * (1 + slots) + 2 * x.nbytes
del x
print(peak_of(*large) - before, held)
"""


def peak(contestant, optimizer):
    """Return the peak memory of training in a new process, beyond what Python and JAX take, and what it must hold."""
    command = [sys.executable, "-c", COMMON, contestant, optimizer]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [int(number) for number in printed.split()[-2:]]


def main() -> None:
    for optimizer in ("sgd", "adam"):
        (ours, held), (by_hand, _) = peak("ours", optimizer), peak("by hand", optimizer)
        print(
            f"{optimizer}: fit {ours / 1e6:,.0f} MB, by hand {by_hand / 1e6:,.0f} MB, gradients included; "
            f"{ours / held:.2f} times the {held / 1e6:,.0f} MB of weights, optimizer state and data"
        )
        report(f"{optimizer}: peak memory of fit / of a donated jitted step by hand", ours / by_hand, 1.15)
        report(f"{optimizer}: the same / weights, gradients, optimizer state, data", ours / (held + WEIGHTS), 1.15)
