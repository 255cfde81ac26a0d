"""Least squares in NumPy: a second engine, so that the loop and all callbacks are tested without a framework."""

from types import SimpleNamespace

import numpy as np

from epochal.callbacks import Callback, History
from epochal.core import loop
from epochal.core.callback import ALIASES, HOOKS, Dispatcher
from epochal.core.run import Run, Validation
from epochal.data.array_data import ArrayData

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 2))
Y = X @ [1.0, -2.0] + 0.1 * RNG.normal(size=10)


class Model:
    """`y = x @ weights`."""

    def __init__(self, lr=0.1):
        self.weights = np.zeros(2)
        self.optimizer = SimpleNamespace(lr=lr)
        self.stop_training = False

    def get_weights(self):
        return [self.weights.copy()]

    def set_weights(self, weights):
        self.weights = np.array(weights[0])


class Rows:
    """The logs of a span that has run."""

    cold = False
    counts = (0, 0)

    def __init__(self, rows, size):
        self._rows, self._size = rows, size

    def count(self):
        return len(self._rows)

    def rows(self):
        return self._rows

    def sums(self):
        return np.array(self._rows) * self._size


class NumpyEngine:
    """Gradient descent on squared errors. `spans` tells how many batches each call to `train` ran."""

    names = ("loss", "error")
    lost = False

    def __init__(self, model):
        self.model, self.spans = model, []

    def train(self, span, stop_when_not_finite):
        rows = []
        for x, residual, values in self._batches(span):
            self.model.weights -= self.model.optimizer.lr * 2 * x.T @ residual / len(x)
            rows.append(values)
            if stop_when_not_finite and not np.isfinite(values[0]):
                break
        self.spans.append(len(rows))
        return Rows(rows, span.chunk.size)

    def test(self, span, stop_when_not_finite):
        return Rows([values for _, _, values in self._batches(span)], span.chunk.size)

    def predict(self, span, stop_when_not_finite):
        return Rows([(x @ self.model.weights,) for x, _ in inputs(span)], span.chunk.size)

    def _batches(self, span):
        for x, y in inputs(span):
            residual = self._residual(x, y)
            yield x, residual, [float(np.mean(residual**2)), float(np.mean(abs(residual)))]

    @np.errstate(invalid="ignore")
    def _residual(self, x, y):
        return x @ self.model.weights - y

    def reset_metrics(self, phase):
        pass

    def metric_results(self, phase):
        return {}

    def state_dict(self):
        return {"arrays": {"params/weights": self.model.weights.copy()}, "lr": self.model.optimizer.lr}

    def load_state_dict(self, state):
        self.model.weights, self.model.optimizer.lr = state["arrays"]["params/weights"].copy(), state["lr"]

    def metric_states(self):
        return None

    def restore_metric_states(self, states):
        pass

    def load_compatible(self, state, keeps_rate):
        self.load_state_dict(state | ({"lr": self.model.optimizer.lr} if keeps_rate else {}))
        return []

    def identity(self):
        return {"weights": 2}

    def last_rate(self):
        return self.model.optimizer.lr

    def check_structure(self):
        pass


def inputs(span):
    """Yield x and y of each batch."""
    x, y, _ = span.chunk.rows.arrays
    for start in range(span.start, span.start + span.count * span.chunk.size, span.chunk.size):
        rows = slice(start, start + span.chunk.size)
        rows = rows if span.chunk.order is None else span.chunk.order.arrays[rows]
        yield x[rows], None if y is None else y[rows]


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
    names = [*engine.names, *(f"val_{name}" for name in engine.names if validation), *(logged or ())]
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
