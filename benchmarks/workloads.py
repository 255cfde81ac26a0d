"""The workloads, and how one would train them on JAX without epochal.

hand    one jitted, donated step per batch, gathered by NumPy on the host; losses stay on the device and
        are averaged at the end of the epoch. What a good JAX user writes by hand.
float   the same loop, but it reads float(loss) after each step. What a per-batch callback costs there.
fused   one compiled while-loop over the epoch, with the data on the device.
"""

import functools
import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from epochal.layers import Conv2D, Dense, Flatten, Reshape
from epochal.models import Sequential

WORKLOADS = {  # samples, features, hidden units, classes, batch size
    "softmax": (60_000, 784, 0, 10, 128),
    "mlp512": (60_000, 784, 512, 10, 128),
    "tiny": (64_000, 8, 16, 2, 32),  # nothing but overhead
    "conv": (6_400, 64, 0, 10, 32),  # 8 x 8 images, two 3 x 3 convolutions of 16 and 32 filters
}

OPTIMIZER = optax.rmsprop(1e-3)


def arrays(name):
    """Return x, one-hot y and the batch size of a workload."""
    samples, features, _, classes, batch = WORKLOADS[name]
    rng = np.random.default_rng(0)
    x = rng.random((samples, features), dtype=np.float32)
    return x, np.eye(classes, dtype=np.float32)[rng.integers(0, classes, samples)], batch


def model(name):
    """Return the compiled model of a workload."""
    _, features, hidden, classes, _ = WORKLOADS[name]
    if name == "conv":
        layers = [
            Reshape((8, 8, 1), input_dim=features),
            Conv2D(16, 3, activation="relu", use_bias=False),
            Conv2D(32, 3, activation="relu", use_bias=False),
            Flatten(),
            Dense(classes, use_bias=False, activation="softmax"),
        ]
    else:
        layers = [Dense(hidden, activation="relu", input_dim=features)] if hidden else []
        layers.append(Dense(classes, activation="softmax", input_dim=features))
    made = Sequential(layers)
    made.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return made


def _params(name):
    _, features, hidden, classes, _ = WORKLOADS[name]
    rng = np.random.default_rng(0)
    if name == "conv":
        shapes = [(3, 3, 1, 16), (3, 3, 16, 32), (512, classes)]
        return [jnp.asarray(rng.normal(0, 0.1, shape), jnp.float32) for shape in shapes]
    sizes = [features, hidden, classes] if hidden else [features, classes]
    pairs = itertools.pairwise(sizes)
    return [(jnp.asarray(rng.normal(0, 0.05, (a, b)), jnp.float32), jnp.zeros(b)) for a, b in pairs]


def _forward(params, x):
    if isinstance(params[0], jax.Array):
        x = x.reshape(-1, 8, 8, 1)
        for kernel in params[:-1]:
            numbers = ("NHWC", "HWIO", "NHWC")
            x = jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=numbers))
        return x.reshape(len(x), -1) @ params[-1]
    for kernel, bias in params[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = params[-1]
    return x @ kernel + bias


def _step(params, opt_state, x, y):
    def loss_fn(params):
        logits = _forward(params, x)
        accuracy = (logits.argmax(-1) == y.argmax(-1)).mean()
        return optax.softmax_cross_entropy(logits, y).mean(), accuracy

    (loss, accuracy), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    updates, opt_state = OPTIMIZER.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, jnp.stack([loss, accuracy])


def hand(name, read_loss=False):
    """Return a contestant that trains one epoch in the loop of a careful user."""
    x, y, batch = arrays(name)
    params = _params(name)
    step = jax.jit(_step, donate_argnums=(0, 1))
    state = [params, OPTIMIZER.init(params)]

    def epoch():
        start = time.perf_counter()
        order, logs = np.random.default_rng(0).permutation(len(x)), []
        for i in range(len(x) // batch):
            rows = order[i * batch : (i + 1) * batch]
            *state[:], log = step(*state, x[rows], y[rows])
            logs.append(float(log[0]) if read_loss else log)
        np.mean(jax.device_get(logs), axis=0)
        return time.perf_counter() - start

    return epoch


def fused(name):
    """Return a contestant that trains one epoch in one compiled loop."""
    host_x, host_y, batch = arrays(name)
    x, y, params = jnp.asarray(host_x), jnp.asarray(host_y), _params(name)
    steps = len(x) // batch

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def span(params, opt_state, order, count, x, y):
        def body(carry):
            done, params, opt_state, logs, _ = carry
            rows = jax.lax.dynamic_slice(order, (done * batch,), (batch,))
            batch_x, batch_y = jax.lax.optimization_barrier([a.at[rows].get(mode="promise_in_bounds") for a in (x, y)])
            params, opt_state, log = _step(params, opt_state, batch_x, batch_y)
            logs = jax.lax.dynamic_update_slice(logs, log[None], (done, 0))
            return done + 1, params, opt_state, logs, jnp.isfinite(log[0])

        start = (0, params, opt_state, jnp.zeros((steps, 2)), True)
        return jax.lax.while_loop(lambda carry: (carry[0] < count) & carry[-1], body, start)[1:4]

    state = [params, OPTIMIZER.init(params)]

    def epoch():
        start = time.perf_counter()
        order = np.random.default_rng(0).permutation(len(x))
        *state[:], logs = span(*state, jnp.asarray(order), steps, x, y)
        np.mean(jax.device_get(logs), axis=0)
        return time.perf_counter() - start

    return epoch
