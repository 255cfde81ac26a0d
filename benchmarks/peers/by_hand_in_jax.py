"""Plain JAX: one jitted step a batch, whose weights are donated; batches are gathered by NumPy.

Losses stay on the device until the epoch ends, so that no step waits for the one before. Checkpoints are Orbax's, which
writes while training goes on.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp

from benchmarks.peers.fits import Record
from benchmarks.peers.tasks import BETAS, BLOCKS, EPSILON, HEADS, LEARNING_RATE, NORM_EPSILON, VOCABULARY, WIDTH

OPTIMIZER = optax.adam(LEARNING_RATE, *BETAS, eps=EPSILON)


def parameters(task):
    """Return the initial weights, drawn as Keras draws them."""
    keys = iter(jax.random.split(jax.random.key(0), 64))

    def linear(*shape):
        kernel = jax.nn.initializers.glorot_uniform()(next(keys), shape)
        return {"kernel": kernel, "bias": jnp.zeros(shape[-1])}

    def norm():
        return {"scale": jnp.ones(WIDTH), "bias": jnp.zeros(WIDTH)}

    def block():
        attention = {name: linear(WIDTH, WIDTH) for name in ("query", "key", "value", "merge")}
        return attention | {
            "first": norm(),
            "second": norm(),
            "up": linear(WIDTH, 4 * WIDTH),
            "down": linear(4 * WIDTH, WIDTH),
        }

    if task.kind == "conv":
        return {"first": linear(3, 3, 1, 16), "second": linear(3, 3, 16, 32), "out": linear(512, task.classes)}
    if task.kind == "transformer":
        blocks = [block() for _ in range(BLOCKS)]
        embed = 0.03 * jax.random.normal(next(keys), (VOCABULARY, WIDTH))
        return {"embed": embed, "blocks": blocks, "norm": norm(), "out": linear(WIDTH, VOCABULARY)}
    hidden = {"hidden": linear(task.features, task.hidden)} if task.hidden else {}
    return hidden | {"out": linear(task.hidden or task.features, task.classes)}


def _linear(p, x):
    return x @ p["kernel"] + p["bias"]


def _convolve(p, x):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, p["kernel"], (1, 1), "VALID", dimension_numbers=numbers) + p["bias"]


def _norm(p, x):
    return jax.nn.standardize(x, epsilon=NORM_EPSILON) * p["scale"] + p["bias"]


def _attend(p, x):
    heads = (*x.shape[:-1], HEADS, WIDTH // HEADS)
    query, key, value = (_linear(p[name], x).reshape(heads) for name in ("query", "key", "value"))
    mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
    return _linear(p["merge"], mixed.reshape(x.shape))


def logits(params, x):
    """Return the network's outputs; which network it is, the weights' names tell."""
    if "first" in params:
        x = jax.nn.relu(_convolve(params["second"], jax.nn.relu(_convolve(params["first"], x))))
        x = x.reshape(len(x), -1)
    if "embed" in params:
        x = params["embed"][x]
        for p in params["blocks"]:
            x = x + _attend(p, _norm(p["first"], x))
            x = x + _linear(p["down"], jax.nn.relu(_linear(p["up"], _norm(p["second"], x))))
        x = _norm(params["norm"], x)
    if "hidden" in params:
        x = jax.nn.relu(_linear(params["hidden"], x))
    return _linear(params["out"], x)


def _loss(params, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits(params, x), y).mean()


def _step(params, state, x, y):
    loss, gradients = jax.value_and_grad(_loss)(params, x, y)
    updates, state = OPTIMIZER.update(gradients, state, params)
    return optax.apply_updates(params, updates), state, loss


def loop(task, data):
    params = parameters(task)
    held = [params, OPTIMIZER.init(params)]
    step, test = jax.jit(_step, donate_argnums=(0, 1)), jax.jit(_loss)
    rng = np.random.default_rng(0)

    def batches(x, y, order):
        for at in range(0, len(x), task.batch):
            rows = order[at : at + task.batch]
            yield x[rows], y[rows]

    def validate():
        losses = [
            test(held[0], *batch) for batch in batches(data["val_x"], data["val_y"], np.arange(len(data["val_x"])))
        ]
        return float(np.mean(jax.device_get(losses)))

    def run(epochs, variant, folder):
        record, kept = Record(), []
        with ocp.StandardCheckpointer() as checkpointer:
            for epoch in range(epochs):
                losses = []
                for x, y in batches(data["x"], data["y"], rng.permutation(len(data["x"]))):
                    *held[:], loss = step(*held, x, y)
                    losses.append(loss)
                values = jax.device_get(losses)
                if variant == "losses":
                    kept.extend(map(float, values))
                if variant == "validation":
                    record.val_losses.append(validate())
                if variant == "checkpoint":
                    checkpointer.save(folder / str(epoch), held)
                record.ended(np.mean(values))
        record.kept = len(kept)
        return record

    return run
