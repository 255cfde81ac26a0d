"""Whoever looks at the model in a hook, from wherever, sees the state after the batch of the hook."""

import threading

import jax
import numpy as np
import pytest
from flax import nnx
from following import Acts, X, Y, net

from epochal.callbacks import Callback, Every, LambdaCallback
from epochal.layers import Dense, Input
from epochal.models import Model

pytestmark = pytest.mark.usefixtures("optimized")


class Looking(Callback):
    """Keeps what a function returns after some batches; a subclass is woken at each batch."""

    def __init__(self, look, cadence=None):
        self.look, self.cadence, self.seen = look, cadence, []

    def on_batch_end(self, batch, logs=None):
        if batch in (3, 4, 9):
            self.seen.append(jax.tree.map(np.array, self.look()))


class Begins(Callback):
    """Has a hook that is called before the model is used."""

    def on_predict_batch_begin(self, batch, logs=None):
        self.batch = batch


def looks(kind):
    """Return a model, and a function that looks at its weights in some way."""
    model = net()
    x = X[:4].astype(np.float32)
    if kind == "other model":
        other = Model(model.input, model.layers[0].output)
        return model, lambda: other.predict(x)
    if kind == "nested":
        inner, at = net(), Input((3,))
        outer = Model(at, Dense(1)(inner(at)))
        outer.compile("sgd", "mse")
        return outer, inner.get_weights
    if kind == "module":

        class Net(nnx.Module):
            def __init__(self):
                self.linear = nnx.Linear(3, 1, rngs=nnx.Rngs(0))

            def __call__(self, x):
                return self.linear(x)

        model = Model(Net())
        model.compile("sgd", "mse")
        return model, lambda: model.module.linear.kernel[...]
    layer = model.layers[0]
    by_name = {
        "model": model.get_weights,
        "layer": layer.get_weights,
        "variable": lambda: model.trainable_weights[0][...],
        "predict": lambda: model.predict(x),
        "predict, with hooks": lambda: model.predict(x, batch_size=2, callbacks=[Begins()]),
        "evaluate": lambda: model.evaluate(X, Y, verbose=0),
        "iterations": lambda: model.optimizer.iterations,
        "gradients": lambda: model.trainee.runtime.engine.state_dict()["arrays"],
    }
    return model, by_name[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *("model", "layer", "variable", "predict", "predict, with hooks", "evaluate", "iterations", "gradients"),
        *("other model", "nested", "module"),
    ],
)
def test_whoever_looks_sees_the_state_after_that_batch(spans_of, kind):
    spans_of(1000)
    seen = []
    for cadence in (None, Every(1, "batch")):
        model, look = looks(kind)
        looking = Looking(look, cadence)
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, seed=0, callbacks=[looking])
        assert len(looking.seen) == 6
        seen.append((looking.seen, model.get_weights()))
    jax.tree.map(np.testing.assert_array_equal, *seen)
    assert not np.array_equal(jax.tree.leaves(seen[0][0][0])[0], jax.tree.leaves(seen[0][0][1])[0])  # they move


def test_who_reads_the_rate_or_logs_runs_no_step_twice(spans_of):
    spans_of(1000)
    model, rates = net(), []
    model.fit(X, Y, batch_size=4, verbose=0)
    engine, ran = model.trainee.runtime.engine, []
    run = engine._run
    engine._run = lambda phase, span, *more: ran.append(span.count) or run(phase, span, *more)
    read = LambdaCallback(on_batch_end=lambda batch, logs: rates.append((logs["loss"], model.optimizer.lr)))
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[read])
    assert ran == [11, 1, 11, 1]
    assert len(rates) == 24


def test_steps_that_print_are_not_run_ahead_of_hooks(spans_of, capsys):
    class Prints(nnx.Module):
        def __init__(self):
            self.linear = nnx.Linear(3, 1, rngs=nnx.Rngs(0))

        def __call__(self, x):
            jax.debug.print("a step")
            return self.linear(x)

    spans_of(1)
    model = Model(Prints())
    model.compile("sgd", "mse")
    model.fit(X[:40], Y[:40], batch_size=4, verbose=0)  # compiled
    jax.effects_barrier()
    capsys.readouterr()
    spans_of(1000)
    model.fit(X[:40], Y[:40], batch_size=4, verbose=0, callbacks=[Looking(model.get_weights)])
    jax.effects_barrier()
    assert capsys.readouterr().out.count("a step") == 10


class Setting(Callback):
    """Sets what the loss is multiplied by, after two batches."""

    def __init__(self, cadence):
        self.cadence = cadence

    def on_batch_end(self, batch, logs=None):
        if batch == 2:
            self.model.factor = 0.5


class Factored(Model):
    factor = 1.0

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return self.factor * super().compute_loss(x, y, y_pred, sample_weight)


def test_a_program_is_compiled_with_what_hooks_have_set_before(spans_of):
    spans_of(1000)
    histories = []
    for cadence in (None, Every(1, "batch")):
        at = Input((3,))
        model = Factored(at, Dense(1, kernel_initializer="ones")(at))
        model.compile("sgd", "mse")
        with pytest.warns(UserWarning, match=r"factor of factored \(1.0 then, 0.5 now\): the steps .* compiled before"):
            history = model.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[Setting(cadence)])
        histories.append(history.history)
    assert histories[0] == histories[1]


def test_a_look_of_another_thread_is_told(spans_of):
    spans_of(1000)
    model = net()
    model.fit(X, Y, batch_size=4, verbose=0)

    def look(batch, logs):
        if batch == 2:
            thread = threading.Thread(target=model.get_weights)
            thread.start()
            thread.join()

    with pytest.warns(UserWarning, match=r"a thread looks at the model .* cadence = Every\(1, \"batch\"\)"):
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[LambdaCallback(on_batch_end=look)])


# Tests and predictions


@pytest.mark.parametrize("ask", ["evaluate", "predict"])
def test_hooks_of_tests_and_predictions_follow_too(spans_of, ask):
    spans_of(1000)
    phase = {"evaluate": "test", "predict": "predict"}[ask]
    outcomes = []
    for own_cadence in (False, True):
        model = net()
        model.compile("adam", "mse", metrics=["r2_score"])
        acts = Acts(f"on_{phase}_batch_end", {2: "look", 5: "write", 7: "log"}, own_cadence)
        result = getattr(model, ask)(
            X, **({"y": Y} if ask == "evaluate" else {}), batch_size=4, callbacks=[acts], verbose=0
        )
        outcomes.append((result, acts.seen))
    jax.tree.map(np.testing.assert_array_equal, *outcomes)
