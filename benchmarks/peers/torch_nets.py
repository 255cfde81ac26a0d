"""The networks in PyTorch, and what its contestants share."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.peers.tasks import BETAS, BLOCKS, EPSILON, HEADS, LEARNING_RATE, NORM_EPSILON, VOCABULARY, WIDTH


class Attention(nn.Module):
    """Causal attention: one matrix for queries, keys and values, and PyTorch's fused function."""

    def __init__(self):
        super().__init__()
        self.qkv, self.merge = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        samples, tokens, _ = x.shape
        query, key, value = self.qkv(x).view(samples, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.merge(mixed.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH, NORM_EPSILON), nn.LayerNorm(WIDTH, NORM_EPSILON)
        self.attention = Attention()
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        x = x + self.attention(self.first(x))
        return x + self.feed(self.second(x))


def network(task):
    """Return a task's network, with weights drawn as Keras draws them, so that losses can be compared."""
    if task.kind == "transformer":
        blocks = [Block() for _ in range(BLOCKS)]
        norm = nn.LayerNorm(WIDTH, NORM_EPSILON)
        net = nn.Sequential(nn.Embedding(VOCABULARY, WIDTH), *blocks, norm, nn.Linear(WIDTH, VOCABULARY))
    elif task.kind == "conv":
        convolutions = [nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU()]
        net = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(512, task.classes))
    else:
        hidden = [nn.Linear(task.features, task.hidden), nn.ReLU()] if task.hidden else []
        net = nn.Sequential(*hidden, nn.Linear(task.hidden or task.features, task.classes))
    for part in net.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
        if isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, std=0.03)
    return net


def optimizer(net):
    return torch.optim.Adam(net.parameters(), LEARNING_RATE, BETAS, EPSILON, fused=True)


def loss_of(outputs, y):
    """Return the mean cross-entropy of all samples, or of all tokens of all samples."""
    return F.cross_entropy(outputs.flatten(0, -2), y.flatten())


def tensors(task, data):
    """Return the data as tensors, in the order and of the types that PyTorch wants."""
    made = {name: torch.from_numpy(array) for name, array in data.items()}
    if task.kind == "conv":
        made |= {name: made[name].permute(0, 3, 1, 2).contiguous() for name in ("x", "val_x")}
    return made | {name: made[name].long() for name in ("y", "val_y")}


class Batches:
    """Shuffled batches of tensors in memory, each one gathered by one indexing."""

    def __init__(self, x, y, batch, shuffle=True):
        self.x, self.y, self.batch, self.shuffle = x, y, batch, shuffle

    def __len__(self):
        return len(self.x) // self.batch

    def __iter__(self):
        if self.shuffle:
            for rows in torch.randperm(len(self.x)).split(self.batch):
                yield self.x[rows], self.y[rows]
        else:
            yield from zip(self.x.split(self.batch), self.y.split(self.batch), strict=True)
