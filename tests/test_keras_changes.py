"""What a user changes of a Keras model while it trains, or between a killed run and the next, counts or is told."""

import copy
import pickle

import numpy as np
import pytest

import epochal.callbacks as ours

km = pytest.importorskip("keras_models")
epochal_keras = pytest.importorskip("epochal.keras")
Model = epochal_keras.Model

keras, layers = km.keras, km.keras.layers
X, Y = km.ROWS, km.TARGETS


def net(optimizer="sgd", loss="mse", **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3, "relu"), layers.Dense(1)])
    model.compile(optimizer, loss, **compiled)
    return model


def fit(model, *callbacks, epochs=2, **options):
    return Model(model).fit(X, Y, batch_size=8, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks, **options)


CHANGES = {
    "compile": (lambda model: model.compile("adam", "mae"), "was compiled again, or got another optimizer"),
    "optimizer": (lambda model: setattr(model, "optimizer", keras.optimizers.SGD(0.1)), "got another optimizer"),
    "freeze": (
        lambda model: setattr(model.layers[0], "trainable", False),
        "has other variables than when the fit began",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_a_model_that_a_hook_changes_ends_the_fit(change, hook):
    act, words = CHANGES[change]
    model = net()
    with pytest.raises((RuntimeError, ValueError), match=words):
        fit(model, ours.LambdaCallback(**{hook: lambda epoch, logs: act(model)}))
    assert np.isfinite(model.get_weights()[0]).all()


class OwnLoss(keras.losses.Loss):
    def __init__(self, power=2.0):
        super().__init__()
        self.power = power

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** self.power, -1)


class OwnModel(keras.Model):
    def __init__(self, scale=1.0):
        super().__init__()
        self.dense, self.scale = layers.Dense(1), scale

    def call(self, x):
        return self.scaled(self.dense(x))

    def scaled(self, x):
        return x * self.scale


class OtherModel(OwnModel):
    def scaled(self, x):
        return x + self.scale


class Descent(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate)


class Ascent(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(-gradient, variable, learning_rate)


Ascent.__name__, OtherModel.__name__ = "Descent", "OwnModel"


def own(kind, *arguments):
    model = kind(*arguments)
    model.compile("sgd", "mse")
    return model


def penalised(power):
    layer = layers.Dense(1, kernel_regularizer=lambda w: keras.ops.sum(w**power))
    model = keras.Sequential([keras.Input((5,)), layer])
    model.compile("sgd", "mse")
    return model


def scheduled(rate):
    return net(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, rate)))


PAIRS = {
    "a setting of Keras's loss": (lambda: net(loss=keras.losses.Huber(1.0)), lambda: net(loss=keras.losses.Huber(2.0))),
    "a setting of an own loss": (lambda: net(loss=OwnLoss(2.0)), lambda: net(loss=OwnLoss(3.0))),
    "an attribute of an own model": (lambda: own(OwnModel, 1.0), lambda: own(OwnModel, 3.0)),
    "a method that a step calls": (lambda: own(OwnModel), lambda: own(OtherModel)),
    "the code of an own optimizer": (lambda: net(Descent(0.01)), lambda: net(Ascent(0.01))),
    "an own regularizer": (lambda: penalised(2), lambda: penalised(4)),
    "a schedule": (lambda: scheduled(0.5), lambda: scheduled(0.9)),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_a_run_of_changed_code_or_settings_is_refused(pair, tmp_path):
    then, now = PAIRS[pair]
    fit(then(), ours.BackupAndRestore(tmp_path), epochs=1)
    with pytest.raises(ValueError, match="holds a run of something else"):
        fit(now(), ours.BackupAndRestore(tmp_path))
    keras.losses.Huber()  # takes a number in its name
    assert fit(then(), ours.BackupAndRestore(tmp_path)).epoch == [0, 1]


class Stops(ours.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

    def state_dict(self):
        return {}


def test_swapped_averages_of_keras_go_on_in_a_resumed_run(tmp_path):
    def averaged():
        return net(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9))

    def swap():
        return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)

    free, killed, resumed = averaged(), averaged(), averaged()
    expected = fit(free, swap(), epochs=4)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, swap(), ours.BackupAndRestore(tmp_path), Stops(), epochs=4)
    assert fit(resumed, swap(), ours.BackupAndRestore(tmp_path), epochs=4).history == expected.history
    np.testing.assert_equal(resumed.get_weights(), free.get_weights())


class Resets(OwnModel):
    """Counts batches in a weight that it resets with the metrics."""

    def __init__(self):
        super().__init__()
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.count.assign_add(1.0)
        return super().call(x)

    def reset_metrics(self):
        super().reset_metrics()
        self.count.assign(0.0)


def test_what_a_model_resets_with_its_metrics_is_reset():
    model = own(Resets)
    fit(model, epochs=3)
    assert float(model.count.value) == 5


class Several(keras.metrics.Metric):
    def __init__(self):
        super().__init__(name="several")
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(keras.ops.sum(y_true))

    def result(self):
        return {"once": self.total * 1, "twice": self.total * 2}


def test_a_metric_may_log_several_values_and_an_array():
    one_hot = keras.utils.to_categorical(km.LABELS, 3)
    histories = []
    for run in (lambda model: model, Model):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((5,)), layers.Dense(3, "softmax")])
        model.compile("sgd", "categorical_crossentropy", metrics=[Several(), keras.metrics.F1Score()])
        histories.append(
            run(model).fit(X, one_hot, epochs=2, verbose=0, shuffle=False, validation_data=(X, one_hot)).history
        )
    assert histories[0].keys() == histories[1].keys() >= {"once", "val_twice", "f1_score"}
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, 1e-5)


def test_methods_of_ones_own_are_called_or_it_is_told():
    class Evaluates(OwnModel):
        def evaluate(self, *args, **kwargs):
            return {"own": 1.0}

    model = own(Evaluates)
    with pytest.raises(ValueError, match="Evaluates overrides evaluate, which only Keras's own loop"):
        fit(model)
    with pytest.warns(UserWarning, match="Evaluates has its own evaluate, which isn't called here"):
        Model(model).evaluate(X, Y, verbose=0)
    epochal_keras.install()
    try:
        with pytest.warns(UserWarning, match="so Keras's own loop runs it"):
            assert model.fit(X, Y, verbose=0, validation_data=(X, Y)).history["val_own"] == [1.0]
    finally:
        epochal_keras.uninstall()


def test_a_wrapper_is_copied_and_pickled_with_its_model():
    wrapper = Model(net())
    fit(wrapper.model, epochs=1)
    for other in (copy.copy(wrapper), copy.deepcopy(wrapper), pickle.loads(pickle.dumps(wrapper))):
        np.testing.assert_equal(other.get_weights(), wrapper.get_weights())
