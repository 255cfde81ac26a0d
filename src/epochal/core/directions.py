"""Which way a logged value is better, as far as its name tells."""

from __future__ import annotations

import itertools
import re

# fmt: off
HIGHER = frozenset({
    "acc", "accuracy", "auc", "bleu", "dice", "fbeta", "fmeasure", "iou", "jaccard", "kappa", "mcc", "ndcg",
    "precision", "psnr", "r2", "recall", "sensitivity", "specificity", "ssim",
})
"""Parts of names of values that are better the higher they are."""

LOWER = frozenset({
    "bce", "ce", "cer", "crossentropy", "distance", "divergence", "err", "error", "hinge", "huber", "kld", "logcosh",
    "logloss", "loss", "mae", "mape", "mse", "msle", "nll", "perplexity", "poisson", "rmse", "wer",
})
"""Parts of names of values that are better the lower they are."""
# fmt: on

_F_SCORE = re.compile(r"f0?\d")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def direction_of(name: str) -> str | None:
    """Return "max" or "min" for a value of a name that has a known part, None for any other.

    Parts are what stands between underscores and the like, and words that begin with a capital: `val_AUC_1`,
    `mean_iou`, `MeanIoU` and `f1_macro` are higher, `top3_loss` is lower. A name with parts of both kinds is
    a loss: `accuracy_loss`.
    """
    parts = _parts(name)
    if parts & LOWER:
        return "min"
    if parts & HIGHER or any(_F_SCORE.fullmatch(part) for part in parts):
        return "max"
    return None


def _parts(name: str) -> set[str]:
    """Return a name's parts in lower case, also in pairs, and without "score", an ending or digits behind them."""
    split = [part.lower() for part in re.split(r"[^0-9A-Za-z]+", name) if part]
    words = [word.lower() for word in _WORD.findall(name)]
    pairs = [first + second for listed in (split, words) for first, second in itertools.pairwise(listed)]
    found = {*split, *words, *pairs}
    found |= {part.removesuffix(ending) for part in found for ending in ("score", "s", "es")}
    return found | {part.rstrip("0123456789") for part in found} - {"f", "r"}
