"""Files of models with layers, losses and optimizers of one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from classifiers import classifier, fit, trained
from comparing import same
from flax import nnx

from epochal import layers, losses, metrics, optimizers
from epochal.layers import Dense, Input, Layer
from epochal.models import Sequential, load_model


class Scale(Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


def halved(x):
    return x / 2


def off_by(y_true, y_pred):
    return (y_true - y_pred) ** 2


def test_what_is_one_s_own_comes_back_through_custom_objects(tmp_path):
    model = Sequential([Dense(2, activation=halved, input_dim=3), Scale(3.0)])
    model.compile("sgd", off_by, metrics=[off_by])
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5", {"Scale": Scale, "halved": halved, "off_by": off_by})
    x = np.ones((2, 3), "float32")
    assert np.array_equal(model.predict(x), other.predict(x))
    assert model.test_on_batch(x, x[:, :2]) == other.test_on_batch(x, x[:, :2])


class Huber(losses.Loss):
    def call(self, y_true, y_pred):
        return jnp.abs(y_pred - y_true) ** 3


class Recall(metrics.MeanMetric):
    def __init__(self, name="recall"):
        super().__init__(lambda y_true, y_pred: y_pred - y_true, name)


class Adam(optimizers.SGD):
    pass


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Huber, {"loss": Huber()}),
        (Huber, {"loss": "mse", "metrics": [Huber]}),
        (Recall, {"loss": "mse", "metrics": [Recall()]}),
        (Adam, {"loss": "mse", "optimizer": Adam(0.5)}),
    ],
)
def test_a_class_with_the_name_of_a_known_one_is_not_taken_for_it(tmp_path, kind, given):
    model = Sequential([Dense(2, input_dim=3)])
    model.compile(**{"optimizer": "sgd"} | given)
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match=f"not compiled: unknown .* '<{kind.__name__}>'"):
        load_model(tmp_path / "m.h5")
    again, x = load_model(tmp_path / "m.h5", {kind.__name__: kind}), np.ones((2, 3), "float32")
    assert type(again.optimizer) is type(model.optimizer)
    assert again.test_on_batch(x, x[:, :2]) == model.test_on_batch(x, x[:, :2])


def test_a_layer_built_on_one_of_epochal_s_needs_no_config_of_its_own(tmp_path):
    class Twice(Dense):
        def call(self, x):
            return 2 * super().call(x)

    model = Sequential([Twice(2, activation="relu", input_dim=3, kernel_initializer=jax.nn.initializers.ones)])
    model.save(tmp_path / "m.h5")
    x = np.ones((2, 3), "float32")
    assert np.array_equal(load_model(tmp_path / "m.h5", {"Twice": Twice}).predict(x), model.predict(x))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_the_input_s_dtype_may_be_that_of_any_data(tmp_path, dtype):
    model = Sequential([layers.Flatten()])
    model.predict(np.ones((2, 3), dtype))
    model.save(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5").predict(np.ones((2, 3), dtype)).tolist() == [[1, 1, 1]] * 2


def test_an_optax_transform_comes_back_through_custom_objects_with_its_state(tmp_path):
    transform = optax.inject_hyperparams(optax.sgd)(learning_rate=0.01, momentum=0.5)
    model = trained(classifier(), optimizer=transform)
    model.optimizer.lr = 0.5
    fit(model)
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5", {"OptaxOptimizer": transform})
    fit(model), fit(other)
    assert same(model.get_weights(), other.get_weights())
    assert other.optimizer.lr == 0.5


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"loss": off_by}, "unknown loss 'off_by'"),
        ({"loss": lambda y, p: (y - p) ** 2}, "unknown loss '<lambda>'"),
        ({"optimizer": optax.adam(0.1)}, "function, which a file can't hold"),
        ({"optimizer": optimizers.Adam(lambda step: 0.1)}, "function, which a file can't hold"),
        ({"metrics": [off_by]}, "unknown metric 'off_by'"),
    ],
)
def test_settings_that_a_file_can_not_hold_leave_the_model_uncompiled_with_a_warning(tmp_path, settings, missing):
    model = classifier()
    model.compile(**{"loss": "mse"} | settings)
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match=f"not compiled: .*{missing}.*custom_objects"):
        other = load_model(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="isn't compiled"):
        fit(other)


def test_a_function_named_like_epochal_s_own_is_never_taken_for_it(tmp_path):
    def relu(x):
        return -x

    with pytest.raises(ValueError, match=r"activation <relu> is a function that a file can't name"):
        Sequential([Dense(2, activation=relu, input_dim=3)]).save(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: lambda x: x * 2, "layer 'lambda' is a plain function.*save_weights works"),
        (lambda: nnx.Linear(3, 3, rngs=nnx.Rngs(0)), r"layer 'linear' is a plain flax module \(Linear\).*save_weights"),
        (lambda: Dense(3, activation=lambda x: x), "layer 'dense': its activation <lambda> .*save_weights works"),
        (
            lambda: type("Mine", (Scale,), {"get_config": Layer.get_config})(2),
            "Mine.get_config doesn't say its argument 'factor'",
        ),
        (lambda: Scale(np.ones(3)), "Scale.get_config has a value that JSON can't hold"),
    ],
)
def test_a_layer_that_a_file_can_not_describe_is_named_and_its_weights_can_be_saved(tmp_path, make, what):
    model = Sequential([Input((3,)), make()])
    with pytest.raises(ValueError, match=what):
        model.save(tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()
    model.save_weights(tmp_path / "w.h5")
    model.load_weights(tmp_path / "w.h5")
