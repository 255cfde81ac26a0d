"""Hooks that train, evaluate, compile, copy and write weights while a fit is under way."""

import threading

import numpy as np
import pytest
from regression import X

from epochal.callbacks import EarlyStopping, LambdaCallback, SwapEMAWeights
from epochal.layers import Dense
from epochal.models import Sequential

Y = (X[:, :1] > 0).astype("float32")


def model_of(metrics=(), seed=None):
    model = Sequential([Dense(1, "sigmoid", input_dim=4)])
    model.compile("sgd", "binary_crossentropy", metrics=list(metrics))
    model.set_weights([np.full((4, 1), 0.1, "float32"), np.zeros(1, "float32")])
    return model


def fit(model, *callbacks, **options):
    return model.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=callbacks, **options)


def test_a_fit_in_a_hook_leaves_the_outer_fit_whole():
    model, inner = model_of(), []

    def fit_more(epoch, logs):
        stopping = EarlyStopping("loss", baseline=-1)  # stops the inner fit
        inner.append(fit(model, stopping, epochs=5))
        assert model.history is not inner[-1]

    history = fit(model, LambdaCallback(on_epoch_end=fit_more), epochs=3)
    assert history.epoch == [0, 1, 2]
    assert model.history is history
    assert [h.epoch for h in inner] == [[0]] * 3
    assert model.optimizer.iterations == 4 * (3 + 3)


def test_a_stop_asked_for_before_a_fit_in_a_hook_still_holds():
    model = model_of()

    def stop(epoch, logs):
        model.stop_training = True
        fit(model)

    assert fit(model, LambdaCallback(on_epoch_end=stop), epochs=3).epoch == [0]


def test_what_metrics_have_counted_is_not_changed_by_what_hooks_do():
    plain = fit(model_of(["auc"]), validation_data=(X, Y))
    model, other = model_of(["auc"]), model_of(["auc"])

    def look(batch, logs):
        model.evaluate(X[:8], 1 - Y[:8], verbose=0)
        model.test_on_batch(X[:8], 1 - Y[:8])
        other.fit(X[:8], 1 - Y[:8], verbose=0)
        model.predict(X)

    history = fit(model, LambdaCallback(on_batch_end=look, on_test_batch_end=look), validation_data=(X, Y))
    assert history.history == plain.history


def test_a_batch_trained_in_a_hook_counts_as_a_step_and_in_no_epoch():
    model, plain = model_of(["auc"]), model_of(["auc"])
    more = LambdaCallback(on_epoch_begin=lambda epoch, logs: model.train_on_batch(X, Y))
    history = fit(model, more)
    plain.train_on_batch(X, Y)
    assert history.history == fit(plain).history
    assert model.optimizer.iterations == 5


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.compile("adam", "mse"),
        lambda model: setattr(model, "optimizer", "adam"),
        lambda model: model.add(Dense(1)),
    ],
    ids=["compile", "optimizer", "add"],
)
def test_a_model_is_not_changed_under_its_fit(change):
    model = model_of()
    with pytest.raises(RuntimeError, match="can't be compiled or get other layers while fit trains it"):
        fit(model, LambdaCallback(on_epoch_end=lambda epoch, logs: change(model)))
    assert len(model.layers) == 1
    change(model)
    assert fit(model_of()).epoch == [0]


def test_a_model_that_another_thread_trains_is_not_trained():
    model, errors = model_of(), []

    def try_to_fit():
        for train in (lambda: fit(model), lambda: model.train_on_batch(X, Y)):
            try:
                train()
            except RuntimeError as error:
                errors.append(str(error))

    def from_a_thread(epoch, logs):
        thread = threading.Thread(target=try_to_fit)
        thread.start()
        thread.join()

    fit(model, LambdaCallback(on_epoch_end=from_a_thread))
    assert errors == [f"{model.name} is being trained in another thread: wait until that fit has ended."] * 2


def test_weights_are_averaged_by_one_fit_at_a_time():
    model = model_of()

    def average_too(epoch, logs):
        with pytest.raises(ValueError, match="averaged already"):
            fit(model, SwapEMAWeights(0.5))

    averaging = SwapEMAWeights(0.5)
    fit(model, averaging, LambdaCallback(on_epoch_end=average_too))
    plain = model_of()
    fit(plain, SwapEMAWeights(0.5))
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_batch_end", "on_epoch_end"])
def test_what_a_hook_writes_into_a_layer_is_trained_on_and_not_written_again(hook):
    model, plain = model_of(), model_of()
    layer, zeros = model.layers[0], [np.zeros((4, 1), "float32"), np.ones(1, "float32")]

    def by(write):
        done = []

        def once(*_):
            if not done:
                done.append(write())

        return LambdaCallback(**{hook: once})

    fit(model, by(lambda: layer.set_weights(zeros)), epochs=3)
    fit(plain, by(lambda: plain.set_weights(zeros)), epochs=3)
    np.testing.assert_array_equal(layer.get_weights()[0], plain.get_weights()[0])
    raw = model_of()
    fit(raw, by(lambda: raw.layers[0].weights[0].set_value(np.zeros((4, 1), "float32"))), epochs=3)
    assert abs(raw.get_weights()[0]).max() > 0


def test_weights_written_for_a_validation_are_validated():
    model, losses = model_of(), []
    layer = model.layers[0]
    zeros = LambdaCallback(
        on_test_begin=lambda logs: layer.set_weights([np.zeros((4, 1)), np.zeros(1)]),
        on_epoch_end=lambda epoch, logs: losses.append(logs["val_loss"]),
    )
    fit(model, zeros, validation_data=(X, Y))
    assert losses == [pytest.approx(np.log(2))]
