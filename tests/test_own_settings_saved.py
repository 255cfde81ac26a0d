"""The arguments of a user's own losses, metrics and optimizers in files: they come back, or the file says which don't."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import losses, metrics, optimizers
from epochal.layers import Dense
from epochal.models import Sequential, load_model
from epochal.saving.sealed import BYTES as SEAL

X = np.ones((2, 3), "float32")
Y = np.full((2, 2), 0.3, "float32")


class Scaled(losses.Loss):
    def __init__(self, scale=2.0, offsets=(), **kwargs):
        super().__init__(**kwargs)
        self.scale, self.offsets = scale, list(offsets)

    def call(self, y_true, y_pred):
        return self.scale * abs(y_true - y_pred).mean(-1) + sum(self.offsets)


class Hidden(Scaled):
    def __init__(self, scale=2.0):
        super().__init__()
        self._scale = scale
        self.scale = jnp.asarray(scale)  # no value of JSON


class AnyOf(metrics.MeanMetric):
    def __init__(self, weights=(1.0,), name="any_of"):
        super().__init__(lambda y_true, y_pred: abs(y_true - y_pred).mean(-1) * sum(weights), name)
        self.weights = list(weights)


class Slower(optimizers.SGD):
    def __init__(self, factor=10.0, **kwargs):
        super().__init__(1.0 / factor)
        self._factor = factor


def off_by(y_true, y_pred):
    return abs(y_true - y_pred).mean(-1)


def saved(tmp_path, **settings):
    model = Sequential([Dense(2, input_dim=3)])
    model.compile(**{"optimizer": "sgd", "loss": "mse"} | settings)
    model.save(tmp_path / "m.h5")
    return model


@pytest.mark.parametrize(
    ("settings", "custom"),
    [
        ({"loss": Scaled(5.0, offsets=[1.0, 2.0], name="mine")}, {"Scaled": Scaled}),
        ({"metrics": [AnyOf([2.0, 3.0]), Scaled(4.0)]}, {"AnyOf": AnyOf, "Scaled": Scaled}),
        ({"metrics": [metrics.MeanMetric(off_by, name="error", direction="max")]}, {"off_by": off_by}),
        ({"metrics": [metrics.get("msle"), metrics.get("cosine_similarity"), metrics.get("ce")]}, {}),
    ],
)
def test_arguments_come_back(tmp_path, settings, custom):
    model = saved(tmp_path, **settings)
    again = load_model(tmp_path / "m.h5", custom)
    assert again.evaluate(X, Y, verbose=0, return_dict=True) == model.evaluate(X, Y, verbose=0, return_dict=True)
    assert [metric.direction for metric in again.metrics] == [metric.direction for metric in model.metrics]


@pytest.mark.parametrize(
    ("settings", "lacking"),
    [
        ({"loss": Hidden(5.0)}, "'scale' of Hidden"),
        ({"metrics": [Hidden(5.0)]}, "'scale' of Hidden"),
        ({"optimizer": Slower(20.0)}, "'factor' of Slower"),
    ],
)
def test_an_argument_that_the_file_lacks_is_named_when_it_is_loaded(tmp_path, settings, lacking):
    model = saved(tmp_path, **settings)
    custom = {"Hidden": Hidden, "Slower": Slower}
    with pytest.warns(UserWarning, match=f"not compiled: the file doesn't hold the argument {lacking}: .* again. Comp"):
        load_model(tmp_path / "m.h5", custom)
    made = {type(thing).__name__: thing for thing in (Hidden(5.0), Slower(20.0))}
    assert load_model(tmp_path / "m.h5", made).test_on_batch(X, Y) == model.test_on_batch(X, Y)


def test_the_function_of_a_metric_that_nobody_gives_is_named(tmp_path):
    saved(tmp_path, metrics=[metrics.MeanMetric(off_by, name="error")])
    with pytest.warns(UserWarning, match=r"not compiled: unknown metric 'off_by'.*[^.?]. Compile it again"):
        load_model(tmp_path / "m.h5")


def test_a_function_that_keras_registered_in_a_package_is_found_by_its_own_name(tmp_path):
    def my_off_by(y_true, y_pred):
        return off_by(y_true, y_pred)

    model, path = saved(tmp_path, loss=my_off_by), tmp_path / "m.h5"
    path.write_bytes(path.read_bytes()[:-SEAL].replace(b'"my_off_by"', b'"my>off_by"'))  # Keras's files have no seal
    assert load_model(path, {"off_by": off_by}).test_on_batch(X, Y) == model.test_on_batch(X, Y)
