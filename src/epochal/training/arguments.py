"""Types of what a user passes to `fit`, `evaluate` and `predict`, and of what these return."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

UserData: TypeAlias = object
"""Arrays of any framework, a list or a dict of them, or an iterable of batches; `data.inputs` checks it."""

Callbacks: TypeAlias = Iterable[object] | None
"""Callbacks of `epochal.callbacks`, or any objects that have some of their hooks; None for none."""

Outputs: TypeAlias = Any
"""NumPy arrays in the nest in which the model returns them."""

Results: TypeAlias = Any
"""The loss; or a list of the loss and the metrics, or a dict of them by name."""
