"""Steps without a batch size, validation beside a split, single numbers, metrics by output, metrics in files."""

import warnings

import jax
import numpy as np
import pytest

from epochal import initializers, losses, metrics
from epochal.callbacks import LambdaCallback
from epochal.layers import Dense, Input
from epochal.models import Model, Sequential, load_model

X = np.random.default_rng(0).normal(size=(64, 4)).astype("f4")
Y = X[:, :1]


def compiled(*layers, **options):
    model = Sequential(list(layers) or [Dense(1, input_dim=4)])
    model.compile("sgd", **{"loss": "mse"} | options)
    return model


def sizes(model, samples, **options):
    found = []
    watch = LambdaCallback(on_batch_end=lambda batch, logs: found.append(logs["size"]))
    model.fit(X[:samples], Y[:samples], verbose=0, callbacks=[watch], **options)
    return found


def test_steps_without_a_batch_size_take_all_the_data():
    model = compiled()
    want = model.evaluate(X, Y, verbose=0)
    assert [model.evaluate(X, Y, steps=steps, verbose=0) for steps in (1, 3, 64)] == pytest.approx([want] * 3, rel=1e-5)
    assert len(model.predict(X, steps=2)) == 64
    assert model.evaluate(X, Y, steps=1, batch_size=16, verbose=0) == model.evaluate(X[:16], Y[:16], verbose=0)
    assert sizes(model, 10, steps_per_epoch=4) == [3, 3, 3, 1]
    history = model.fit(X, Y, validation_data=(X, Y), validation_steps=2, verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)


def test_validation_data_win_over_a_split():
    with pytest.warns(UserWarning, match="validation_split is left out: there is validation_data"):
        history = compiled().fit(X[:40], Y[:40], validation_split=0.5, validation_data=(X[40:], Y[40:]), verbose=0)
    assert history.params["samples"] == 40


def test_one_number_a_sample():
    model = compiled(Dense(1, input_shape=(1,)))
    model.fit([1, 2, 3, 4], [1, 2, 3, 4], sample_weight=np.ones((4, 1)), verbose=0)
    assert model.predict([1.5]).shape == (1, 1)
    assert np.array_equal(model.predict(np.array([1.0, 2])), model.predict([[1.0], [2]]))


def two_outputs(**options):
    a = Input((4,))
    model = Model(a, [Dense(1, name="p")(a), Dense(1, name="q")(a)])
    model.compile("sgd", **options)
    return model


def test_metrics_for_all_are_of_the_outputs_that_are_trained():
    history = two_outputs(loss={"q": "mse"}, metrics=["mae"]).fit(X, {"q": Y}, verbose=0).history
    assert list(history) == ["loss", "q_loss", "q_mae"]
    named = two_outputs(loss={"q": "mse"}, metrics={"p": "mae"})
    assert list(named.fit(X, {"p": Y, "q": Y}, verbose=0).history) == ["loss", "q_loss", "p_mae"]
    with pytest.raises(ValueError, match="y lacks 'p'"):
        named.fit(X, {"q": Y}, verbose=0)


def hit_rate(y, p):
    return (y.argmax(-1) == p.argmax(-1)).astype("float32")


def accuracy(y, p):
    return 0 * p.mean(-1) + 0.25


def test_functions_are_restored_under_their_names(tmp_path):
    functions = [metrics.categorical_accuracy, losses.mean_squared_error, hit_rate, accuracy]
    model = compiled(Dense(3, "softmax", input_dim=4), loss=losses.categorical_crossentropy, metrics=functions)
    y = np.eye(3)[np.arange(64) % 3]
    model.save(tmp_path / "m.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load_model(tmp_path / "m.h5", custom_objects={"hit_rate": hit_rate, "accuracy": accuracy})
    want = model.evaluate(X, y, verbose=0, return_dict=True)
    assert list(want) == ["loss", "categorical_accuracy", "mean_squared_error", "hit_rate", "accuracy"]
    assert again.evaluate(X, y, verbose=0, return_dict=True) == want


def Huber(y, p):
    return ((y - p) ** 4).mean(-1)


def test_a_function_with_another_spelling_of_a_known_name_is_not_taken_for_it(tmp_path):
    model = compiled(Dense(3, input_dim=4), loss=Huber, metrics=[Huber])
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match="not compiled: unknown loss '<Huber>'"):
        load_model(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5", custom_objects={"Huber": Huber})
    y = np.ones((64, 3))
    assert again.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "lecun_uniform", "orthogonal", "variance_scaling"])
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (3, 3, 0, 2)])
def test_initializers_of_empty_shapes(name, shape):
    assert initializers.get(name)(jax.random.key(0), shape).shape == shape
