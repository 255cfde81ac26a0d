"""The networks as flax NNX modules, in epochal's fit."""

from flax import nnx

import epochal
from benchmarks.peers.tasks import BLOCKS, HEADS, NORM_EPSILON, VOCABULARY, WIDTH
from benchmarks.peers.with_keras_names import compile_, fitting

GLOROT = {"kernel_init": nnx.initializers.glorot_uniform()}
"""As in Keras, so that losses can be compared."""


class Dense(nnx.Module):
    def __init__(self, task, rngs):
        self.hidden = nnx.Linear(task.features, task.hidden, rngs=rngs, **GLOROT) if task.hidden else None
        self.out = nnx.Linear(task.hidden or task.features, task.classes, rngs=rngs, **GLOROT)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)) if self.hidden else x)


class Convolutions(nnx.Module):
    def __init__(self, task, rngs):
        self.first = nnx.Conv(1, 16, (3, 3), padding="VALID", rngs=rngs, **GLOROT)
        self.second = nnx.Conv(16, 32, (3, 3), padding="VALID", rngs=rngs, **GLOROT)
        self.out = nnx.Linear(512, task.classes, rngs=rngs, **GLOROT)

    def __call__(self, x):
        x = nnx.relu(self.second(nnx.relu(self.first(x))))
        return self.out(x.reshape(len(x), -1))


class Block(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.LayerNorm(WIDTH, epsilon=NORM_EPSILON, rngs=rngs)
        self.second = nnx.LayerNorm(WIDTH, epsilon=NORM_EPSILON, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(HEADS, WIDTH, decode=False, rngs=rngs, **GLOROT)
        self.up = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs, **GLOROT)
        self.down = nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs, **GLOROT)

    def __call__(self, x, mask):
        x = x + self.attention(self.first(x), mask=mask)
        return x + self.down(nnx.relu(self.up(self.second(x))))


class Transformer(nnx.Module):
    def __init__(self, task, rngs):
        small = nnx.initializers.normal(0.03)
        self.embed = nnx.Embed(VOCABULARY, WIDTH, embedding_init=small, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(BLOCKS)])
        self.norm = nnx.LayerNorm(WIDTH, epsilon=NORM_EPSILON, rngs=rngs)
        self.out = nnx.Linear(WIDTH, VOCABULARY, rngs=rngs, **GLOROT)

    def __call__(self, tokens):
        x, mask = self.embed(tokens), nnx.make_causal_mask(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.out(self.norm(x))


def module(task):
    """Return a task's network."""
    kind = {"dense": Dense, "conv": Convolutions, "transformer": Transformer}[task.kind]
    return kind(task, nnx.Rngs(0))


def epochal_nnx(task, data):
    model = compile_(epochal, epochal.models.Model(module(task)))
    # A file can't describe a module. What a run saves of itself has as much as the others' files; each stays, too
    return fitting(epochal, model.fit, task, data, lambda folder: epochal.callbacks.BackupAndRestore(folder, keep=1000))
