"""Training, evaluating and predicting, for every kind of model on every engine."""

from .trainable import Batch, Trainable
from .trainer import Trainer

__all__ = ["Batch", "Trainable", "Trainer"]
