"""What a trainer asks of the model that it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..core.engine import Engine
from ..data.nests import Batch, Nest


class Trainable(Protocol):
    """A model as its trainer knows it: data go in, an engine comes out.

    Example:
        >>> import contextlib
        >>> import numpy as np
        >>> from flax import nnx
        >>> from epochal.engines.jax.engine import JaxEngine
        >>> from epochal.training import Trainer
        >>> class Linear:  # whose data need no arranging
        ...     name, output_shape = "linear", (None, 1)
        ...     validates_when_stopped = False
        ...     stop_training, history, data_wait = False, None, 0.0  # since callbacks get it as `self.model`
        ...     def __init__(self, engine): self.engine = engine
        ...     def check_compiled(self): ...
        ...     def arrange(self, x, y, sample_weight): return x, y, sample_weight
        ...     def arrange_inputs(self, x): return x
        ...     def engine_for(self, batch, trains): return self.engine
        ...     def draw_seed(self): return 0
        ...     def first_epoch(self, epoch): return epoch
        ...     def identity(self): return {}
        ...     def own_callbacks(self, callbacks): return []
        ...     def around_fit(self): return contextlib.nullcontext()
        ...     def around_batch(self): return contextlib.nullcontext()
        >>> engine = JaxEngine(nnx.Linear(2, 1, rngs=nnx.Rngs(0)), None, lambda module, x: module(x))
        >>> Trainer(Linear(engine)).predict(np.zeros((3, 2), np.float32)).tolist()
        [[0.0], [0.0], [0.0]]
    """

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def validates_when_stopped(self) -> bool:
        """Whether an epoch that a callback has ended amid its batches is validated, as Keras's own fit does it."""
        ...

    @property
    def output_shape(self) -> Any:
        """The shape of the output, the batch axis in front; a list of them if there are several."""
        ...

    def check_compiled(self) -> None:
        """Raise a ValueError if nothing says how to train it."""
        ...

    def arrange(self, x: Nest, y: Nest, sample_weight: Nest) -> Batch:
        """Return data to train or to evaluate on in the order, the shapes and the dtypes in which steps take them.

        Args:
            x: Samples: a NumPy array, or a nest of them.
            y: Their targets, or None.
            sample_weight: The weight of each sample, or None.

        Raises:
            ValueError: If the model can't take these inputs, or can't be trained towards these targets.
        """
        ...

    def arrange_inputs(self, x: Nest) -> Nest:
        """Return samples to predict on, as `arrange` does."""
        ...

    def draw_seed(self) -> int:
        """Return a fresh seed for the order of data, at least 0, less than 2**31."""
        ...

    def first_epoch(self, epoch: int) -> int:
        """Return the epoch to begin with, when `on_train_begin` has been called, which may have said another one."""
        ...

    def engine_for(self, batch: Batch, trains: bool) -> Engine:
        """Return the engine that runs the steps.

        Args:
            batch: The first batch, arranged; its targets are None if there are none.
            trains: Whether it must be able to train and to evaluate, or to predict only.
        """
        ...

    def identity(self) -> Mapping[str, object]:
        """Return a description of the model and its steps, as JSON values: a saved run must have the same."""
        ...

    def own_callbacks(self, callbacks: Sequence[object]) -> Sequence[object]:
        """Return callbacks that the model itself needs in a fit; they are called before the user's.

        Args:
            callbacks: The user's.
        """
        ...

    def around_fit(self) -> AbstractContextManager[None]:
        """Return a context for a fit: warn of what has no effect before it, show the trained weights after it."""
        ...

    def around_batch(self) -> AbstractContextManager[None]:
        """Return a context for a batch that is trained by hand, as `around_fit` does."""
        ...
