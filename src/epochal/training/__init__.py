"""Training, evaluating and predicting, for every kind of model on every engine."""

from .trainable import Trainable
from .trainer import Trainer

__all__ = ["Trainable", "Trainer"]
