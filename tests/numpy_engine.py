"""Least squares in NumPy: a second engine, so that the loop and all callbacks are tested without a framework."""

import contextlib
import dataclasses
import zlib
from types import SimpleNamespace

import numpy as np

from epochal.callbacks import Callback, History
from epochal.core import loop
from epochal.core.callback import HOOKS, Dispatcher
from epochal.core.hook_code import ALIASES
from epochal.core.run import Run, Validation
from epochal.data.array_data import ArrayData
from epochal.training import Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 2))
Y = X @ [1.0, -2.0] + 0.1 * RNG.normal(size=10)


class Model:
    """`y = x @ weights`; `on_use` is called before anybody uses the weights."""

    def __init__(self, lr=0.1):
        self.on_use = lambda: None
        self.weights = np.zeros(2)
        self.optimizer = SimpleNamespace(lr=lr)
        self.stop_training = False

    @property
    def weights(self):
        self.on_use()
        return self._weights

    @weights.setter
    def weights(self, weights):
        self.on_use()
        self._weights = weights

    def get_weights(self):
        return [self.weights.copy()]

    def set_weights(self, weights):
        self.weights = np.array(weights[0])


class SpanOfRows:
    """What became of a span, which has run when it is returned; an engine with a device would wait in the methods.

    Args:
        rows: What each batch logs, in the order of the engine's `names`; for a prediction, `(outputs,)`.
        size: Samples a batch.
    """

    cold = False  # nothing is compiled
    counts = (0, 0)  # `rows` has the batches' means, no sums

    def __init__(self, rows, size):
        self._rows, self._size = rows, size

    def count(self):
        """Return how many batches were run."""
        return len(self._rows)

    def rows(self):
        """Return the logged values, one row a batch."""
        return self._rows

    def sums(self):
        """Return the sums over the samples, one row a batch: the loop makes the epoch's means of them."""
        return np.array(self._rows) * self._size


class Lookout:
    """Goes back to the batch whose hooks look at the weights or set the rate, after a span has run."""

    is_possible = True

    def __init__(self, engine, trains):
        self._engine, self._model, self._trains = engine, engine.model, trains
        self._remembered = []

    def remember(self, span, stop_when_not_finite):
        """Keep the weights before a span."""
        self._remembered.append((span, self._model.weights.copy()))

    def begin(self, batches):
        """Begin to notice."""
        self._batches, self.at, self.looked = batches, 0, False
        self._rate, self._model.on_use = self._model.optimizer.lr, self._look

    def has_changed(self):
        """Return whether anybody looked, or set the rate."""
        if not self.looked and self._model.optimizer.lr != self._rate:
            self._look()
        return self.looked

    def end(self, stays_ahead):
        """Stop noticing, with the weights after `at` batches unless they may stay ahead."""
        self._model.on_use = lambda: None
        if not self.looked and not stays_ahead:
            self._go_back()
        del self._remembered[: bool(self._batches)]

    def return_to_hooks(self):
        """Go back to where the oldest span begins."""
        for _, before in self._remembered[:1]:
            self._model.weights = before
        self._remembered.clear()

    def _look(self):
        self.looked, self._model.on_use = True, lambda: None
        self._go_back()

    def _go_back(self):
        oldest, behind = self._remembered[:1], self._remembered[1:2]
        del self._remembered[1:]
        if not self._trains or not self._batches:
            return
        if self.at == self._batches:
            for _, before in behind:
                self._model.weights = before
        for span, before in oldest if self.at < self._batches else []:
            self._model.weights, rate = before, self._model.optimizer.lr
            self._model.optimizer.lr = self._rate
            if self.at:
                self._engine.train(dataclasses.replace(span, count=self.at), False)
            self._model.optimizer.lr = rate


class NumpyEngine:
    """Gradient descent on squared errors: a whole engine, to read and to copy; see `epochal.core.protocols.Engine`.

    Args:
        model: Holds the weights, and the learning rate in `optimizer.lr`.

    Attributes:
        spans: How many batches each call to `train` ran.
    """

    lost = False  # no call consumes the weights
    logs_so_far = False  # but each batch's own values
    least, devices = None, 1  # it is in one process

    def __init__(self, model):
        self.model, self.spans = model, []

    def names(self, phase):
        """Return what each batch logs, in training and in evaluation."""
        return ("loss", "error")

    # Spans

    def train(self, span, stop_when_not_finite, behind=None):
        """Run a span of training steps."""
        logged = []
        for x, y, sample_weight in batches_in(span):
            logged.append(self._logs(x, y, sample_weight))
            weighted = sample_weight * self._residual(x, y)
            self.model.weights -= self.model.optimizer.lr * 2 * x.T @ weighted / len(x)
            if stop_when_not_finite and not np.isfinite(logged[-1][0]):
                break
        self.spans.append(len(logged))
        return SpanOfRows(logged, span.chunk.size)

    def test(self, span, stop_when_not_finite, behind=None):
        """Run a span of evaluation steps, which change nothing."""
        return SpanOfRows([self._logs(*batch) for batch in batches_in(span)], span.chunk.size)

    def predict(self, span, stop_when_not_finite, behind=None):
        """Compute the outputs of a span of batches."""
        return SpanOfRows([(x @ self.model.weights,) for x, _, _ in batches_in(span)], span.chunk.size)

    def lookout(self, phase, uninterrupted):
        """Return what notices that hooks look at the weights or set the rate."""
        return Lookout(self, phase == "train")

    def _logs(self, x, y, sample_weight):
        residual = self._residual(x, y)
        return [float(np.mean(sample_weight * residual**2)), float(np.mean(abs(residual)))]

    @np.errstate(invalid="ignore")
    def _residual(self, x, y):
        return x @ self.model.weights - y

    def last_rate(self):
        """Return the learning rate of the last step."""
        return self.model.optimizer.lr

    def check_structure(self):
        """Do nothing: the weights are always two numbers."""

    # Metrics: the loop makes the means; this engine has no others

    def reset_metrics(self, phase):
        """Begin an epoch or an evaluation."""

    def metric_results(self, phase):
        """Return the metrics that are no plain means."""
        return {}

    def metric_states(self):
        """Return what they have counted."""

    def restore_metric_states(self, states):
        """Restore what they had counted."""

    # The state, as a saved run holds it

    def checksum(self):
        """Return a number that the weights make."""
        return zlib.crc32(self.model.weights.tobytes()) >> 1

    def whole_bytes(self):
        """Return None: this process has all of it."""

    def state_dict(self, in_parts=False):
        """Return everything that a step changes, in copies."""
        return {"arrays": {"params/weights": self.model.weights.copy()}, "lr": self.model.optimizer.lr}

    def load_state_dict(self, state):
        """Restore the state returned by `state_dict`."""
        self.model.weights, self.model.optimizer.lr = state["arrays"]["params/weights"].copy(), state["lr"]

    def load_compatible(self, state, keeps_rate):
        """Restore what fits of another engine's state; here that is all of it."""
        self.load_state_dict(state | ({"lr": self.model.optimizer.lr} if keeps_rate else {}))
        return []

    def identity(self):
        """Describe what a saved state must fit."""
        return {"weights": 2}

    def fits(self, arrays):
        """Return True: there is no device on which arrays might not fit."""
        return True

    def joined(self, outputs):
        """Return the outputs of several batches in one array."""
        return np.concatenate(outputs)


class Linear(Model):
    """`y = x @ weights`, trained as any model is: what a model is to `epochal.training.Trainer`."""

    name, output_shape, history, data_wait = "linear", (None,), None, 0.0
    validates_when_stopped = False

    def __init__(self, lr=0.1):
        super().__init__(lr)
        self.engine, trainer = NumpyEngine(self), Trainer(self)
        self.fit, self.evaluate, self.predict = trainer.fit, trainer.evaluate, trainer.predict
        self.train_on_batch, self.test_on_batch = trainer.train_on_batch, trainer.test_on_batch
        self.predict_on_batch = trainer.predict_on_batch

    def check_compiled(self):
        pass

    def arrange(self, x, y, sample_weight):
        return x, y, sample_weight

    def arrange_inputs(self, x):
        return x

    def draw_seed(self):
        return 0

    def first_epoch(self, epoch):
        return epoch

    def engine_for(self, batch, trains):
        return self.engine

    def identity(self):
        return {}

    def own_callbacks(self, callbacks):
        return []

    def around_fit(self):
        return contextlib.nullcontext()

    def around_batch(self):
        return contextlib.nullcontext()


def batches_in(span):
    """Yield x, y and sample weights of each batch of a span: its rows as they lie, or in the chunk's order."""
    x, y, sample_weight = span.chunk.rows.arrays
    sample_weight = np.ones(len(x)) if sample_weight is None else sample_weight
    for start in range(span.start, span.start + span.count * span.chunk.size, span.chunk.size):
        rows = slice(start, start + span.chunk.size)
        rows = rows if span.chunk.order is None else span.chunk.order.arrays[rows]
        yield x[rows], None if y is None else y[rows], sample_weight[rows]


class Recorder(Callback):
    """Keeps every call of a hook: its name, its arguments, and the logs as a plain dict."""

    def __init__(self, cadence=None, replay=False):
        self.cadence, self.replay, self.calls = cadence, replay, []

    def names(self):
        return [name for name, *_ in self.calls]

    def logs(self, hook):
        return [arguments[-1] for name, *arguments in self.calls if name == hook]

    def batches(self, hook):
        return [arguments[0] for name, *arguments in self.calls if name == hook]

    def state_dict(self):
        return {}


def _recording(hook):
    def record(self, *arguments):
        self.calls.append((hook, *(dict(a) if isinstance(a, dict) else a for a in arguments)))

    return record


for _hook in HOOKS:
    if _hook not in ALIASES.values():
        setattr(Recorder, _hook, _recording(_hook))


class Logged(Callback):
    """Puts given values into the epoch logs, a list for each name; None leaves the epoch without."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.values.items() if values[epoch] is not None})

    def state_dict(self):
        return {}


def make_run(
    callbacks=(),
    epochs=2,
    *,
    model=None,
    engine=NumpyEngine,
    data=None,
    logged=None,
    validation=None,
    initial_epoch=0,
    **params,
):
    """Return a run of the NumPy engine over X and Y, whose batches have 4, 4 and 2 samples."""
    model = model or Model()
    engine = engine(model)
    data = data or ArrayData(X, Y, batch_size=4)
    call = Dispatcher([*([Logged(logged)] if logged else []), *callbacks])
    validation = Validation(validation) if isinstance(validation, ArrayData) else validation
    names = [*engine.names("train"), *(f"val_{name}" for name in engine.names("test") if validation), *(logged or ())]
    facts = {
        "verbose": 0,
        "batch_size": getattr(data, "batch_size", None),
        "epochs": epochs,
        "steps": data.steps,
        "samples": data.samples,
        "do_validation": validation is not None or any(name.startswith("val_") for name in names),
        "metrics": list(dict.fromkeys(names)),
    }
    call.prepare(model, facts | params)
    model.stop_training = False
    return Run(engine, model, call, data, epochs, validation, initial_epoch)


def fit(callbacks=(), epochs=2, **options):
    """Run `make_run`'s run; return its History."""
    history = next((c for c in callbacks if isinstance(c, History)), History())
    loop.fit(make_run([*callbacks, *([] if history in callbacks else [history])], epochs, **options))
    return history
