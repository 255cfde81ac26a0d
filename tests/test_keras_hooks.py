"""Callbacks of both libraries around a Keras model: what they see of it and what they change is that of their batch."""

import threading

import numpy as np
import pytest

import epochal.callbacks as ours

km = pytest.importorskip("keras_models")
Model = pytest.importorskip("epochal.keras").Model
trainer_of = pytest.importorskip("epochal.keras.running").trainer_of

keras, layers = km.keras, km.keras.layers
X, Y = km.ROWS, km.TARGETS


def net(optimizer="sgd", **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3, "relu"), layers.Dropout(0.2), layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    return model


def fit(model, *callbacks, own=False, epochs=2, **options):
    run = model.fit if own else Model(model).fit
    return run(X, Y, batch_size=8, epochs=epochs, verbose=0, shuffle=False, callbacks=[*callbacks], **options)


class Looks(keras.callbacks.Callback):
    """Looks at the model after some batches, in one of several ways."""

    def __init__(self, look, batches=(1, 3)):
        super().__init__()
        self.look, self.batches, self.seen = look, batches, []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(dict(logs))
        if batch in self.batches:
            value = self.look(self.model)
            self.seen.append(np.asarray(getattr(value, "value", value), np.float64))


LOOKS = {
    "weights": lambda model: model.get_weights()[0],
    "variable": lambda model: model.layers[0].kernel.numpy(),
    "value": lambda model: model.trainable_variables[-1].value,
    "metric": lambda model: model.metrics[0].result(),
    "iterations": lambda model: model.optimizer.iterations,
    "moment": lambda model: model.optimizer.variables[2],
    "seed": lambda model: model.layers[1].seed_generator.state,
    "prediction": lambda model: model(X[:4]),
    "clone": lambda model: keras.models.clone_model(model).count_params(),
    "sum": lambda model: keras.ops.sum(model.layers[-1].kernel * 2.0),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_hook_sees_the_state_after_its_batch_and_logs_of_keras_alone(look):
    callbacks = Looks(LOOKS[look]), Looks(LOOKS[look])
    for callback, own in zip(callbacks, (False, True), strict=True):
        fit(net("adam", metrics=["mae"]), callback, own=own)
    for seen, expected in zip(callbacks[0].seen, callbacks[1].seen, strict=True):
        if isinstance(seen, dict):
            assert seen == pytest.approx(expected, rel=1e-5)
        else:
            np.testing.assert_allclose(seen, expected, 1e-5, 1e-6)


def test_a_closure_that_looks_without_the_callbacks_model_sees_it_too(spans_of):
    spans_of(100)
    model, seen = net(), []
    kernel = model.layers[0].kernel
    fit(model, ours.LambdaCallback(on_batch_end=lambda batch, logs: seen.append(kernel.numpy().sum())))
    expected = Looks(lambda model: model.get_weights()[0].sum(), range(5))
    fit(net(), expected, own=True)
    np.testing.assert_allclose(seen, [value for value in expected.seen if not isinstance(value, dict)], 1e-5)


def test_between_fits_and_after_an_error_variables_hold_their_values():
    model = net()
    with pytest.raises(ZeroDivisionError):
        fit(model, ours.LambdaCallback(on_batch_end=lambda batch, logs: 1 / (3 - batch)))
    stopped = Looks(lambda model: model.get_weights()[0], [3])
    fit(net(), stopped, own=True, epochs=1)
    np.testing.assert_allclose(model.get_weights()[0], stopped.seen[4], 1e-5)
    assert type(model.layers[0].kernel) is keras.Variable


def test_what_a_hook_writes_holds_from_the_next_batch():
    class Writes(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.layers[0].kernel.assign(self.model.layers[0].kernel * 0.5)
                self.model.optimizer.learning_rate = 0.5
            if batch == 2:
                self.model.layers[1].seed_generator.state.assign([7, 7])
            if batch == 3:
                self.model.set_weights([weight + 0.1 for weight in self.model.get_weights()])

    models = net(), net()
    histories = [fit(model, Writes(), own=own).history for model, own in zip(models, (False, True), strict=True)]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], 1e-5)
    for one, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-5)


def test_callbacks_of_keras_and_ours_do_in_one_list_what_they_do(tmp_path):
    model = net("adam", metrics=["mae"])
    stopping = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=100, restore_best_weights=True)
    history = fit(
        model, stopping, ours.ReduceLROnPlateau("loss", patience=1, min_delta=100), epochs=6,
        validation_data=(X, Y), validation_batch_size=40,
    )  # fmt: skip
    assert history.epoch == [0, 1]
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.evaluate(X, Y, 40, verbose=0)[0] == pytest.approx(history.history["val_loss"][0], rel=1e-5)
    assert history.history["lr"] == pytest.approx([1e-3, 1e-3])
    scheduled = net()
    fit(scheduled, ours.LearningRateScheduler(lambda epoch, lr: lr / 2))
    assert float(scheduled.optimizer.learning_rate) == pytest.approx(0.0025)


def test_a_rate_under_a_schedule_is_an_error_at_the_start():
    model = net(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)))
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        fit(model, ours.ReduceLROnPlateau("loss"))


def test_averages_of_ours_are_what_validation_and_files_have_and_keras_keeps_its_own():
    callback, model = ours.SwapEMAWeights(0.5), net()
    average, weights = None, Looks(lambda model: model.get_weights()[0], range(5))
    fit(net(), weights, own=True, epochs=1)
    for value in [net().get_weights()[0], *[v for v in weights.seen if not isinstance(v, dict)]]:
        average = value if average is None else 0.5 * average + 0.5 * value
    seen = []
    fit(
        model,
        callback,
        ours.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0])),
        epochs=1,
    )
    np.testing.assert_allclose(seen[0], average, 1e-4, 1e-6)
    np.testing.assert_array_equal(model.get_weights()[0], seen[0])
    with pytest.raises(ValueError, match="averaged already"):
        fit(net(keras.optimizers.SGD(use_ema=True)), ours.SwapEMAWeights(0.5))


def test_keras_swaps_its_averages_as_in_its_own_fit():
    histories, weights = [], []
    for own in (False, True):
        model = net(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5))
        callback = keras.callbacks.SwapEMAWeights(swap_on_epoch=False)
        histories.append(fit(model, callback, own=own, epochs=3, validation_data=(X, Y)).history)
        weights.append(model.get_weights()[0])
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, 1e-4, err_msg=name)
    np.testing.assert_allclose(*weights, 1e-4, 1e-5)


def test_training_evaluating_and_predicting_in_a_hook_leaves_the_fits_metrics_alone():
    class Nested(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.evaluate(X, Y, verbose=0)
                Model(self.model).evaluate(X, Y, verbose=0)
                Model(self.model).predict(X)

    expected = fit(net(metrics=["mae"])).history
    assert fit(net(metrics=["mae"]), Nested()).history == expected


def test_flags_end_evaluations_and_predictions():
    model = net()
    model.evaluate(X, Y, verbose=0)
    stops = ours.LambdaCallback(on_test_batch_end=lambda batch, logs: setattr(model, "stop_evaluating", batch == 1))
    assert Model(model).evaluate(X, Y, 8, 0, callbacks=[stops]) == pytest.approx(
        model.evaluate(X[:16], Y[:16], verbose=0)
    )
    stops = ours.LambdaCallback(on_predict_batch_end=lambda batch, logs: setattr(model, "stop_predicting", True))
    assert Model(model).predict(X, 8, callbacks=[stops]).shape == (8, 1)


def test_a_look_from_another_thread_gets_a_value_and_a_warning():
    model, seen = net(), []
    kernel = model.layers[0].kernel

    def look(batch, logs):
        thread = threading.Thread(target=lambda: seen.append(np.asarray(kernel.value)))
        thread.start()
        thread.join()

    with pytest.warns(UserWarning, match="a thread looks at the model while fit calls hooks"):
        fit(model, ours.LambdaCallback(on_batch_end=look), epochs=1)
    assert len(seen) == 5
    assert np.isfinite(seen).all()


def test_a_model_is_the_self_model_of_all_callbacks_and_has_one_trainer():
    class Sees(ours.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.model)

    model, seen = net(), []
    wrapper = Model(model)
    fit(model, Sees())
    wrapper.stop_training = True
    assert seen == [model]
    assert model.stop_training
    assert wrapper.layers == model.layers
    assert trainer_of(model) is trainer_of(wrapper.model)
