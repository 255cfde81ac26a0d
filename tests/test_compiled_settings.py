"""What is changed after steps were compiled with it has no effect on them, and a warning says so."""

import warnings
from dataclasses import dataclass

import keras
import numpy as np
import pytest
from flax import nnx
from regression import X, Y

from epochal import losses
from epochal.callbacks import BackupAndRestore, LambdaCallback
from epochal.keras import Model as OfKeras
from epochal.layers import Dense, Input
from epochal.models import Model, Sequential
from epochal.optimizers import SGD


class Annealed(Model):
    beta, notes = 1.0, 0

    def compute_loss(self, y=None, y_pred=None):
        return self.weight() + 0 * y_pred.mean()

    def weight(self):
        return 2 * self.beta


def annealed():
    model = Annealed(nnx.Linear(X.shape[1], 1, rngs=nnx.Rngs(0)))
    model.compile("sgd")
    return model


def setting(owner, name, epoch_of=lambda epoch: float(epoch)):
    return LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(owner, name, epoch_of(epoch)))


def warned(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [str(item.message) for item in caught if issubclass(item.category, UserWarning)]


def test_what_a_compute_loss_reads_is_told_at_the_next_epoch_and_once_in_a_fit():
    model, told = annealed(), []
    seen = LambdaCallback(on_epoch_end=lambda epoch, logs: told.append(len(caught)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[seen, setting(model, "beta")])
    assert told == [0, 1, 1, 1]
    assert "beta of annealed (1.0 then, 0.0 now): the steps of annealed were compiled before" in str(caught[0].message)
    with pytest.warns(UserWarning, match=r"beta of annealed \(1.0 then, 3.0 now\)"):
        model.fit(X, Y, verbose=0)
    model.compile("sgd")
    assert model.fit(X, Y, verbose=0).history["loss"] == [6.0]


def test_what_no_step_reads_may_change():
    model = annealed()
    assert warned(lambda: model.fit(X, Y, epochs=3, verbose=0, callbacks=[setting(model, "notes")])) == []


def test_what_is_set_before_the_first_step_is_compiled_holds():
    model = annealed()
    begins = LambdaCallback(on_train_begin=lambda logs: setattr(model, "beta", 5.0))
    found = []
    assert warned(lambda: found.append(model.fit(X, Y, epochs=2, verbose=0, callbacks=[begins]))) == []
    assert found[0].history["loss"] == [10.0, 10.0]


class Tabled(nnx.Module):
    def __init__(self):
        self.linear, self.table = nnx.Linear(X.shape[1], 1, rngs=nnx.Rngs(0)), np.ones(1, np.float32)

    def __call__(self, x):
        return self.linear(x) * self.table


def test_of_what_a_fit_adds_to_the_callbacks_nothing_is_said_when_a_run_is_saved(tmp_path):
    model = Model(Tabled())
    model.compile("sgd", "mse")
    looks = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    assert warned(lambda: model.fit(X, Y, verbose=0, callbacks=[looks, BackupAndRestore(tmp_path)])) == []


class Scaled(losses.Loss):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * (y_true - y_pred) ** 2


@dataclass(frozen=True)
class Power:
    factor: float = 1.0

    def __call__(self, y_true, y_pred):
        return self.factor * (y_true - y_pred) ** 2


@pytest.mark.parametrize("loss", [Scaled(1.0), Power()], ids=["a loss", "a callable"])
def test_what_an_own_loss_reads_is_told(loss):
    model = Sequential([Input(X.shape[1:]), Dense(1)])
    model.compile("sgd", loss)
    changes = LambdaCallback(on_epoch_end=lambda epoch, logs: object.__setattr__(loss, "factor", 2.0))
    with pytest.warns(
        UserWarning, match=r"factor of (Scaled|Power) \(1.0 then, 2.0 now\): the steps of sequential were"
    ):
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[changes])


def test_a_setting_of_an_optimizer_is_told_or_refused():
    model = Sequential([Input(X.shape[1:]), Dense(1)])
    model.compile(SGD(0.1, momentum=0.5), "mse")
    model.fit(X, Y, verbose=0)
    with pytest.raises(AttributeError, match="momentum"):
        model.optimizer.momentum = 0.9


# Models of Keras


def of_keras(**settings):
    model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.0), "loss": "mse"} | settings)
    return model


def test_a_setting_of_a_layer_of_keras_changed_between_fits_is_told():
    model = of_keras()
    assert warned(lambda: OfKeras(model).fit(X, Y, verbose=0)) == []
    model.layers[0].rate = 0.25
    with pytest.warns(UserWarning, match=r"rate of dropout\w* \(0.5 then, 0.25 now\): the steps of sequential"):
        OfKeras(model).fit(X, Y, verbose=0)
    model.compile("sgd", "mse")
    assert warned(lambda: OfKeras(model).fit(X, Y, verbose=0)) == []


def test_a_setting_of_an_optimizer_of_keras_is_told():
    model = of_keras()
    change = setting(model.optimizer, "momentum", lambda epoch: 0.9)
    with pytest.warns(UserWarning, match=r"momentum of the optimizer \(0.0 then, 0.9 now\)"):
        OfKeras(model).fit(X, Y, epochs=2, verbose=0, callbacks=[change])


class AnnealedKeras(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense, self.beta, self.notes = keras.layers.Dense(1), 1.0, 0

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.beta + 0 * keras.ops.mean(y_pred)


def test_what_the_step_of_an_own_keras_model_reads_is_told():
    model = AnnealedKeras()
    model.compile("sgd")
    assert warned(lambda: OfKeras(model).fit(X, Y, epochs=3, verbose=0, callbacks=[setting(model, "notes")])) == []
    with pytest.warns(UserWarning, match=r"beta of annealed_keras\w* \(1.0 then, 0.0 now\)"):
        OfKeras(model).fit(X, Y, epochs=3, verbose=0, callbacks=[setting(model, "beta")])


def test_what_is_set_before_the_first_step_of_a_keras_model_is_compiled_holds():
    model, found = AnnealedKeras(), []
    model.compile("sgd")
    begins = LambdaCallback(on_train_begin=lambda logs: setattr(model, "beta", 5.0))
    assert warned(lambda: found.append(OfKeras(model).fit(X, Y, epochs=2, verbose=0, callbacks=[begins]))) == []
    np.testing.assert_allclose(found[0].history["loss"], [5.0, 5.0])


def test_steps_that_python_runs_read_what_is_set():
    model = AnnealedKeras()
    model.compile("sgd", run_eagerly=True)
    found = []
    messages = warned(
        lambda: found.append(OfKeras(model).fit(X, Y, epochs=3, verbose=0, callbacks=[setting(model, "beta")]))
    )
    assert not any("beta" in message for message in messages)
    np.testing.assert_allclose(found[0].history["loss"], [1.0, 0.0, 1.0])
