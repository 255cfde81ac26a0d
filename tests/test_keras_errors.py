"""Keras models that can't be trained as they are: what came, and what to do."""

import os
import subprocess
import sys

import numpy as np
import pytest

from epochal.callbacks import CSVLogger, History

km = pytest.importorskip("keras_models")
epochal_keras = pytest.importorskip("epochal.keras")
Model, install, uninstall = epochal_keras.Model, epochal_keras.install, epochal_keras.uninstall

keras, layers = km.keras, km.keras.layers
X, Y = km.ROWS, km.TARGETS


class OneLayer(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def compiled(kind, **options):
    model = kind()
    model.compile("sgd", "mse", **options)
    return model


def fit(model, **options):
    return Model(model).fit(X, Y, verbose=0, **options)


def test_an_uncompiled_model_and_what_is_no_model():
    with pytest.raises(ValueError, match=r"isn't compiled: call model.compile"):
        fit(OneLayer())
    with pytest.raises(TypeError, match=r"made of a keras.Model; got Dense"):
        Model(layers.Dense(1))
    assert Model(OneLayer()).predict(X).shape == (40, 1)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"KERAS_BACKEND": "tensorflow"}, "on JAX, and Keras looks for tensorflow: set the environment variable"),
        ({"KERAS_NNX_ENABLED": "true", "KERAS_BACKEND": "jax"}, "unset KERAS_NNX_ENABLED"),
    ],
)
def test_another_backend_is_refused_with_the_line_to_type(environment, words):
    command = [sys.executable, "-c", "import epochal.keras"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: epochal.keras" in done.stderr
    assert words in done.stderr


def test_targets_are_needed_where_there_is_a_loss():
    with pytest.raises(ValueError, match="need targets"):
        Model(compiled(OneLayer)).fit(X, verbose=0)


def test_a_model_without_weights_is_warned_of():
    class Nothing(keras.Model):
        def call(self, x):
            return x[:, :1]

    with pytest.warns(UserWarning, match="nothing has no weights to train"):
        fit(compiled(Nothing))


class Branches(OneLayer):
    def call(self, x):
        y = self.dense(x)
        return y * 2 if keras.ops.mean(y) > 0 else y


def test_a_branch_on_values_is_an_error_unless_python_runs_each_step():
    model = compiled(Branches)
    with pytest.raises(RuntimeError, match="Unable to automatically build the model") as caught:
        fit(model)
    assert any("keras.ops has cond" in note for note in caught.value.__notes__)

    class Chooses(OneLayer):
        def train_step(self, state, data):
            logs, state = super().train_step(state, data)
            return ({"loss": -1.0} if logs["loss"] > 5 else logs), state

    with pytest.raises(Exception, match="raced") as caught:
        fit(compiled(Chooses))
    assert any("run_eagerly=True, so that Python runs each step" in note for note in caught.value.__notes__)
    losses = []
    for run in (fit, lambda model, **options: model.fit(X, Y, verbose=0, **options)):
        keras.utils.set_random_seed(0)
        model = compiled(Chooses, run_eagerly=True)
        if run is fit:
            with pytest.warns(UserWarning, match="compiled with run_eagerly=True: Python runs each of its steps"):
                losses.append(run(model, epochs=3, shuffle=False, validation_data=(X, Y)).history)
        else:
            losses.append(run(model, epochs=3, shuffle=False, validation_data=(X, Y)).history)
    for name, values in losses[1].items():
        assert losses[0][name] == pytest.approx(values, rel=1e-5)


def test_what_a_step_does_beside_is_warned_of():
    class Counts(OneLayer):
        def __init__(self):
            super().__init__()
            self.count = 0

        def call(self, x):
            self.count += 1
            return super().call(x)

    with pytest.warns(UserWarning, match="count is changed in train_step, which a compiled step does once"):
        fit(compiled(Counts))

    class Keeps(OneLayer):
        def call(self, x):
            self.last = super().call(x)
            return self.last

    with pytest.warns(UserWarning, match="last holds a value of train_step while it is compiled"):
        fit(compiled(Keeps))

    class Assigns(OneLayer):
        def train_step(self, state, data):
            self.dense.kernel.assign(self.dense.kernel * 1.0)
            return super().train_step(state, data)

    model = compiled(Assigns)
    with pytest.raises(RuntimeError, match="a step assigns a value to the variable"):
        fit(model)
    assert np.isfinite(model.get_weights()[0]).all()


def test_steps_in_another_form_are_refused():
    class OfTensorFlow(OneLayer):
        def train_step(self, data):
            return {}

    with pytest.raises(TypeError, match=r"must be train_step\(self, state, data\)"):
        fit(compiled(OfTensorFlow))

    class Forgets(OneLayer):
        def train_step(self, state, data):
            return {"loss": 0.0}

    with pytest.raises(TypeError, match=r"must return \(logs, state\).*optimizer_variables"):
        fit(compiled(Forgets))


def test_what_only_keras_can_run_is_refused_or_left_to_keras():
    class OwnFunction(OneLayer):
        def make_train_function(self, force=False):
            super().make_train_function(force)

    with pytest.raises(ValueError, match="OwnFunction overrides make_train_function, which only Keras's own loop"):
        fit(compiled(OwnFunction))
    install()
    try:
        with pytest.warns(UserWarning, match="so Keras's own loop runs it"):
            history = compiled(OwnFunction).fit(X, Y, verbose=0, epochs=2, validation_data=(X, Y))
        assert isinstance(history, keras.callbacks.History)
        assert len(history.history["val_loss"]) == 2
        with pytest.raises(ValueError, match="can't call callbacks of epochal"):
            compiled(OwnFunction).fit(X, Y, verbose=0, callbacks=[CSVLogger("x.csv")])
    finally:
        uninstall()


def test_a_layer_that_is_frozen_after_compile_is_told():
    model = compiled(OneLayer)
    fit(model)
    model.dense.trainable = False
    with pytest.warns(UserWarning) as caught, pytest.raises(ValueError, match="optimizer was built with 2 variables"):
        fit(model)
    assert any("was changed after compile: compile" in str(warning.message) for warning in caught)
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    with pytest.warns(UserWarning, match="no weights to train"):
        fit(model)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_installed_every_model_is_run_by_our_loop_and_afterwards_by_keras_again():
    class Calls(OneLayer):
        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    install()
    install()
    try:
        model = compiled(Calls)
        assert type(model.fit(X, Y, 20, 2, 0, [[keras.callbacks.TerminateOnNaN()]])) is History
        expected = model.evaluate(X, Y, verbose=0)
        assert model.predict(X, verbose=0).shape == (40, 1)
        with pytest.raises(TypeError, match="Did you mean 'verbose'"):
            model.fit(X, Y, verbos=0)
    finally:
        uninstall()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert isinstance(model.fit(X, Y, verbose=0), keras.callbacks.History)


def test_settings_of_keras_that_need_nothing_here_are_told():
    with pytest.warns(UserWarning, match="steps_per_execution=4 isn't needed"):
        assert len(fit(compiled(OneLayer, steps_per_execution=4), epochs=2).epoch) == 2
    if hasattr(keras.config, "set_max_epochs"):
        keras.config.set_max_epochs(1)
        try:
            with pytest.warns(UserWarning, match="the fit ends with epoch 1"):
                assert len(fit(compiled(OneLayer), epochs=3).epoch) == 1
        finally:
            keras.config.set_max_epochs(None)
