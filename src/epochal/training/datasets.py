"""What a user passes to `fit`, `evaluate` and `predict` becomes data, and the engine that runs steps on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard, cast

from ..core.engine import Engine
from ..core.processes import THIS
from ..core.run import Validation
from ..data import inputs
from ..data.array_data import ArrayData
from ..data.batches import BATCH_SIZE, Span
from ..data.class_weights import ClassWeights
from ..data.nests import Batch, Nest, leaves, map_arrays
from ..data.stream_data import StreamData
from ..messages.printing import warn
from .arguments import UserData
from .options import FitOptions
from .trainable import Trainable

AnyData = ArrayData | StreamData


class Datasets:
    """Makes data of what a user passes, in the order in which a model takes it.

    Args:
        trainable: The model.
    """

    def __init__(self, trainable: Trainable) -> None:
        self._trainable = trainable

    def to_train_on(
        self, x: UserData, y: UserData, sample_weight: UserData, weights: ClassWeights | None, options: FitOptions
    ) -> tuple[AnyData, Engine, Batch | None]:
        """Return the training data, the engine, and the arrays that `validation_split` keeps from the data."""
        trainable = self._trainable
        if _is_stream(x, y):
            split = options.validation_split or None
            _refuse_beside_batches(validation_split=split, sample_weight=sample_weight, batch_size=options.batch_size)

            def arrange(x: Nest, y: Nest, sample_weight: Nest) -> Batch:
                return self._weighed(trainable.arrange(x, y, sample_weight), weights)

            stream = inputs.from_batches(
                x, options.steps_per_epoch, arrange=arrange,
                shuffle=options.shuffle, seed=options.seed, draw=self._draw_seed, first_epoch=options.initial_epoch,
            )  # fmt: skip
            engine = trainable.engine_for(stream.peek(), trains=True)
            return _shared(stream, engine), engine, None
        batch, held_out = trainable.arrange(*inputs.arrays(x, y, sample_weight)), None
        if options.validation_split:
            batch, held_out = inputs.split(*batch, options.validation_split)
        batch = self._weighed(batch, weights)
        if weights is not None:
            weights.warn_of_unseen()
        size = _batch_size(options.batch_size, options.steps_per_epoch, batch[0])
        engine = trainable.engine_for(_first(batch, size), trains=True)
        data = inputs.from_arrays(
            *batch, fits=engine.fits, batch_size=size, shuffle=options.shuffle, seed=options.seed,
            draw=self._draw_seed, steps=options.steps_per_epoch,
        )  # fmt: skip
        return data, engine, held_out

    def _draw_seed(self) -> int:
        """Return a fresh seed for the order of data, in all processes that which the primary has drawn."""
        return int(THIS.exchange("seed", str(self._trainable.draw_seed()))[0])

    def to_validate_on(
        self, given: UserData, options: FitOptions, engine: Engine, beside: AnyData
    ) -> tuple[Validation | None, Batch | None]:
        """Return the validation of a fit, and its arrays if it has any.

        Args:
            given: What the user passed; None for no validation.
            options: Those of the fit.
            engine: The fit's.
            beside: The training data.
        """
        steps, freq = options.validation_steps, options.validation_freq
        if given is None:
            if steps is not None or freq != 1:
                warn("validation_steps and validation_freq have no effect: there is no validation_data.")
            return None, None
        given = (given,) if inputs.is_array(given) else given
        if _is_arrays(given):
            batch = self._trainable.arrange(*inputs.arrays(*given))
            size = _batch_size(options.validation_batch_size or options.batch_size, steps, batch[0])
            return Validation(inputs.from_arrays(*batch, fits=engine.fits, batch_size=size, steps=steps), freq), batch
        _refuse_beside_batches(validation_batch_size=options.validation_batch_size)
        stream = inputs.from_batches(
            given, steps, arrange=self._trainable.arrange, steps_name="validation_steps", first_epoch=None
        )
        if not stream.beside(beside):
            stream.peek()
        return Validation(_shared(stream, engine), freq), None

    def to_evaluate_on(
        self, x: UserData, y: UserData, sample_weight: UserData, batch_size: int | None, steps: int | None
    ) -> tuple[AnyData, Engine]:
        """Return data with targets, each batch once, and the engine."""
        return self._each_once(x, y, sample_weight, batch_size, steps, trains=True)

    def to_predict_on(self, x: UserData, batch_size: int | None, steps: int | None) -> tuple[AnyData, Engine]:
        """Return data whose targets, if they come with any, don't matter, and the engine."""
        return self._each_once(x, None, None, batch_size, steps, trains=False)

    def _each_once(
        self, x: UserData, y: UserData, sample_weight: UserData, batch_size: int | None, steps: int | None, trains: bool
    ) -> tuple[AnyData, Engine]:
        arrange = self._trainable.arrange if trains else self._arrange_inputs
        if _is_stream(x, y):
            _refuse_beside_batches(sample_weight=sample_weight, batch_size=batch_size)
            stream = inputs.from_batches(x, steps, arrange=arrange, steps_name="steps", first_epoch=None)
            engine = self._engine_for(stream.peek(), trains)
            return _shared(stream, engine), engine
        batch = arrange(*inputs.arrays(x, y, sample_weight))
        size = _batch_size(batch_size, steps, batch[0])
        engine = self._engine_for(_first(batch, size), trains)
        return inputs.from_arrays(*batch, fits=engine.fits, batch_size=size, steps=steps), engine

    def _engine_for(self, batch: Batch, trains: bool) -> Engine:
        """Return the engine; in a hook that runs on the primary only it mustn't need other processes."""
        engine = self._trainable.engine_for(batch, trains)
        if engine.least is not None:
            THIS.refuse_alone("to evaluate, to predict or to train on a batch")
        return engine

    def _arrange_inputs(self, x: Nest, _y: Nest, _sample_weight: Nest) -> Batch:
        return self._trainable.arrange_inputs(x), None, None

    def one_batch(
        self, x: UserData, y: UserData, sample_weight: UserData, class_weights: ClassWeights | None = None
    ) -> tuple[Span, Engine]:
        """Return a span of one batch, and the engine."""
        batch = self._weighed(self._trainable.arrange(*inputs.arrays(x, y, sample_weight)), class_weights)
        engine = self._engine_for(batch, trains=True)
        data = inputs.from_arrays(*batch, fits=engine.fits, batch_size=len(leaves(batch[0])[0]))
        data.begin(0)
        span = data.span(1)
        data.close(0)
        return span, engine

    def _weighed(self, batch: Batch, class_weights: ClassWeights | None) -> Batch:
        """Return arranged data with the weights of their classes multiplied in."""
        if class_weights is None:
            return batch
        x, y, sample_weight = batch
        return x, y, class_weights.weigh(y, sample_weight, self._trainable.output_shape)


def _shared(stream: StreamData, engine: Engine) -> StreamData:
    """Return a stream, which is a process's part of every batch if several processes work together."""
    if engine.least is not None:
        stream.share(THIS.exchange, THIS.count)
    return stream


def _is_stream(x: UserData, y: UserData) -> bool:
    """Return whether this is an iterable of batches, and not samples in arrays."""
    return y is None and not inputs.is_arrays(x)


def _refuse_beside_batches(**given: object) -> None:
    """Raise a ValueError if somebody gave, beside an iterable of batches, what goes with arrays."""
    if names := [name for name, value in given.items() if value is not None]:
        raise ValueError(
            f"{' and '.join(names)} {'goes' if len(names) == 1 else 'go'} with arrays x and y; an iterable of batches "
            "has its own batches, each (x, y) or (x, y, sample_weight)."
        )


def _is_arrays(given: UserData) -> TypeGuard[Sequence[UserData]]:
    """Return whether validation data are `(x,)`, `(x, y)` or `(x, y, sample_weight)`, and not a list of batches."""
    if isinstance(given, tuple):
        return 1 <= len(cast("tuple[UserData, ...]", given)) <= 3
    listed = cast("list[UserData]", given) if isinstance(given, list) else []
    return len(listed) in (2, 3) and not isinstance(listed[0], tuple)


def _first(batch: Batch, size: int) -> Batch:
    """Return the first batch of samples in arrays, or of files in memory, as views."""
    return map_arrays(lambda array: array[:size], batch)


def _batch_size(given: int | None, steps: int | None, x: Nest) -> int:
    """Return how many samples a batch has: of steps that nobody gave a size, so many that they take all the data."""
    if given is not None:
        return given
    return BATCH_SIZE if steps is None else -(-len(leaves(x)[0]) // steps)
