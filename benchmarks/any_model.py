"""Modules of the user's own against the same layers in `Sequential`, and attention against a loop by hand."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks import workloads
from benchmarks.contest import best_of, report
from benchmarks.training import fitting
from epochal.losses import CategoricalCrossentropy
from epochal.models import Model

WIDTH, HEADS, TOKENS, BATCH, BLOCKS, SAMPLES = 128, 2, 64, 32, 2, 640


class Layered(nnx.Module):
    """The dense workloads as somebody would write them for flax."""

    def __init__(self, name):
        _, features, hidden, classes, _ = workloads.WORKLOADS[name]
        rngs = nnx.Rngs(0)
        self.hidden = nnx.Linear(features, hidden, rngs=rngs) if hidden else None
        self.out = nnx.Linear(hidden or features, classes, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)) if self.hidden else x)


def module_model(name):
    model = Model(Layered(name))
    model.compile(loss=CategoricalCrossentropy(from_logits=True), optimizer="rmsprop", metrics=["accuracy"])
    return model


class Block(nnx.Module):
    def __init__(self, rngs):
        self.attention = nnx.MultiHeadAttention(HEADS, in_features=WIDTH, decode=False, rngs=rngs)
        self.first, self.second = nnx.LayerNorm(WIDTH, rngs=rngs), nnx.LayerNorm(WIDTH, rngs=rngs)
        self.up, self.down = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs), nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

    def __call__(self, x):
        x = self.first(x + self.attention(x))
        return self.second(x + self.down(nnx.relu(self.up(x))))


class Transformer(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.blocks = nnx.List([Block(rngs) for _ in range(BLOCKS)])
        self.out = nnx.Linear(WIDTH, 10, rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return self.out(x.mean(1))


def attention_data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, TOKENS, WIDTH)).astype(np.float32)
    return x, np.eye(10, dtype=np.float32)[rng.integers(0, 10, SAMPLES)]


def attention_by_hand():
    """Return a contestant: the same model in plain JAX, one jitted step a batch."""
    x, y = attention_data()
    optimizer = optax.rmsprop(1e-3)
    rng = np.random.default_rng(0)

    def weights(*shape):
        return jnp.asarray(rng.normal(0, 0.05, shape), jnp.float32)

    def norm(x, scale, bias):
        return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-6) * scale + bias

    def forward(params, x):
        for p in params["blocks"]:
            q, k, v = (x @ p[name] + p[f"{name}_bias"] for name in ("query", "key", "value"))
            split = (len(x), TOKENS, HEADS, WIDTH // HEADS)
            q, k, v = (a.reshape(split) for a in (q, k, v))
            shares = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(WIDTH // HEADS))
            mixed = jnp.einsum("bhqk,bkhd->bqhd", shares, v).reshape(x.shape)
            x = norm(x + mixed @ p["out"] + p["out_bias"], *p["first"])
            x = norm(x + jax.nn.relu(x @ p["up"] + p["up_bias"]) @ p["down"] + p["down_bias"], *p["second"])
        return x.mean(1) @ params["out"] + params["bias"]

    def block():
        square = {name: weights(WIDTH, WIDTH) for name in ("query", "key", "value", "out")}
        square |= {f"{name}_bias": jnp.zeros(WIDTH) for name in square}
        norms = {name: (jnp.ones(WIDTH), jnp.zeros(WIDTH)) for name in ("first", "second")}
        wide = {"up": weights(WIDTH, 4 * WIDTH), "up_bias": jnp.zeros(4 * WIDTH)}
        return square | norms | wide | {"down": weights(4 * WIDTH, WIDTH), "down_bias": jnp.zeros(WIDTH)}

    def step(params, state, x, y):
        def loss_of(params):
            logits = forward(params, x)
            loss = optax.softmax_cross_entropy(logits, y).mean()
            return loss, jnp.stack([loss, (logits.argmax(-1) == y.argmax(-1)).mean()])

        (_, log), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, log

    params = {"blocks": [block() for _ in range(BLOCKS)], "out": weights(WIDTH, 10), "bias": jnp.zeros(10)}
    state = [params, optimizer.init(params)]
    jitted = jax.jit(step, donate_argnums=(0, 1))

    def epoch():
        start = time.perf_counter()
        order, logs = np.random.default_rng(0).permutation(SAMPLES), []
        for at in range(0, SAMPLES, BATCH):
            rows = order[at : at + BATCH]
            *state[:], log = jitted(*state, x[rows], y[rows])
            logs.append(log)
        np.mean(jax.device_get(logs), axis=0)
        return time.perf_counter() - start

    return epoch


def attention_fit():
    model = Model(Transformer())
    model.compile(loss=CategoricalCrossentropy(from_logits=True), optimizer="rmsprop", metrics=["accuracy"])
    return fitting(model, (*attention_data(), BATCH))


def main():
    for name, rounds in (("softmax", 6), ("mlp512", 6)):
        data = workloads.arrays(name)
        best = best_of(
            {
                "fused": workloads.fused(name),
                "module": fitting(module_model(name), data),
                "layers": fitting(workloads.model(name), data),
            },
            rounds,
        )
        print(
            f"{name}:", ", ".join(f"{k} {v / (len(data[0]) // data[2]) * 1e6:.1f}" for k, v in best.items()), "us/step"
        )
        report("an NNX module / the same as Sequential", best["module"] / best["layers"], 1.05)
        report("Sequential / an NNX module", best["layers"] / best["module"], 1.05)
        report("an NNX module / fused", best["module"] / best["fused"], 1.1)
        report("Sequential / fused", best["layers"] / best["fused"], 1.1)
    best = best_of({"hand": attention_by_hand(), "fit": attention_fit()}, 4)
    print("attention:", ", ".join(f"{k} {v / (SAMPLES // BATCH) * 1e3:.1f}" for k, v in best.items()), "ms/step")
    report("attention: fit / a jitted loop by hand", best["fit"] / best["hand"], 1.05)
