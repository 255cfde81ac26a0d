"""What a subclass of a model overrides is used, or refused when the model is made."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal.callbacks import Callback
from epochal.layers import BatchNormalization, Dense, Dropout, Input
from epochal.models import Model, Sequential, load_model

x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
y = x[:, :1]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("train_step", "compute_loss"),
        ("test_step", "compute_loss"),
        ("predict_step", "a layer at the end"),
        ("make_train_function", "compute_loss"),
        ("compute_metrics", "metrics to compile"),
        ("call", r"`call` in an epochal.layers.Layer, or `__call__` in a flax.nnx.Module"),
        ("__call__", "make a Model of it"),
    ],
)
@pytest.mark.parametrize("base", [Model, Sequential])
def test_what_would_never_be_called_is_refused(base, name, advice):
    kind = type("Own", (base,), {name: lambda self, data: data})
    with pytest.raises(TypeError, match=rf"Own.{name} would never be called: .*{advice}"):
        kind()


def test_it_is_refused_in_a_mixin_too_and_before_the_constructor_does_anything():
    class Mixin:
        def train_step(self, data):
            return data

    class Own(Mixin, Sequential):
        def __init__(self):
            raise AssertionError("it has begun")

    with pytest.raises(TypeError, match=r"Mixin\.train_step would never be called"):
        Own()


def model_of(kind, **compiled):
    model = kind([Dense(1, input_dim=4, kernel_initializer="ones")])
    model.compile("sgd", **compiled)
    return model


def test_compute_loss_in_the_form_of_keras():
    seen = []

    class Own(Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            seen.append(
                (x.shape, y.shape, y_pred.shape, None if sample_weight is None else sample_weight.shape, training)
            )
            return jnp.mean(jnp.abs(y - y_pred) ** 3) + x.mean() * 0

    model = model_of(Own, metrics=["mae"])
    error = np.abs(x.sum(1, keepdims=True) - y)
    assert np.allclose(model.evaluate(x, y, verbose=0), [np.mean(error**3), error.mean()], rtol=1e-4)
    assert seen[-1] == ((32, 4), (32, 1), (32, 1), None, False)
    before = model.get_weights()
    model.train_on_batch(x, y, sample_weight=np.ones(32))
    assert seen[-1] == ((32, 4), (32, 1), (32, 1), (32,), True)
    gradient = np.mean(3 * error**2 * np.sign(x.sum(1, keepdims=True) - y) * x, 0)
    assert np.allclose(before[0][:, 0] - model.get_weights()[0][:, 0], 0.01 * gradient, rtol=1e-3)


def test_the_compiled_loss_can_be_gone_on_from_in_either_form():
    class Keras3(Sequential):
        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
            return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)

    class Keras2(Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return 2 * super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)

    class Few(Sequential):
        def compute_loss(self, y, y_pred):
            return 2 * super().compute_loss(y=y, y_pred=y_pred)

    class Through(Sequential):
        def compute_loss(self, *args, **kwargs):
            loss, outputs = super().compute_loss(*args, **kwargs)
            return 2 * loss, outputs

    weight = np.linspace(0, 2, 32)
    want = 2 * model_of(Sequential, loss="mse").evaluate(x, y, sample_weight=weight, verbose=0)
    for kind in (Keras3, Keras2, Through):
        assert np.isclose(model_of(kind, loss="mse").evaluate(x, y, sample_weight=weight, verbose=0), want)
    assert np.isclose(
        model_of(Few, loss="mse").evaluate(x, y, verbose=0),
        2 * model_of(Sequential, loss="mse").evaluate(x, y, verbose=0),
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda loss, x, y, p: loss(y=y, y_pred=p, sample_wieght=x), "got an unexpected keyword argument 'sample_wie"),
        (lambda loss, x, y, p: loss(x, y, p, sample_wieght=x), "got an unexpected keyword argument 'sample_wieght'"),
        (lambda loss, x, y, p: loss((x, y, None), trainig=True), "got an unexpected keyword argument 'trainig'"),
        (lambda loss, x, y, p: loss(x, y, p, None, True, None), "too many positional arguments"),
        (lambda loss, x, y, p: loss(x=x, y=y), "computed from y and y_pred; there is no y_pred"),
        (lambda loss, x, y, p: loss(x=x), "computed from y and y_pred; there is no y and no y_pred"),
        (lambda loss, x, y, p: loss(training=True), "missing a required argument: 'batch'"),
    ],
)
def test_wrong_arguments_of_the_compiled_loss_are_refused(call, message):
    class Own(Sequential):
        def compute_loss(self, x, y, y_pred):
            return call(super().compute_loss, x, y, y_pred)

    with pytest.raises(TypeError, match=rf"compute_loss takes \(batch, training\), or Keras's .*: .*{message}"):
        model_of(Own, loss="mse").evaluate(x, y, verbose=0)


def test_the_compiled_loss_of_a_softmax_stays_finite_far_out():
    class Own(Sequential):
        def compute_loss(self, x, y, y_pred, sample_weight, training):
            return super().compute_loss(x, y, y_pred, sample_weight, training)

    model = Own([Dense(2, "softmax", input_dim=1, kernel_initializer="ones")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.set_weights([np.array([[100.0, -100.0]]), np.zeros(2)])
    assert np.isclose(model.evaluate(np.ones((1, 1)), [1], verbose=0), 200)


def test_outputs_by_name_come_to_compute_loss_by_name():
    class Own(Model):
        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
            return jnp.mean((y["double"] - y_pred["double"]) ** 2)

    inputs = Input((4,))
    model = Own(inputs, {"double": Dense(1, name="double")(inputs), "other": Dense(1, name="other")(inputs)})
    model.compile("sgd")
    before = model.get_weights()
    model.fit(x, {"double": 2 * y, "other": y}, verbose=0)
    assert [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("arguments", ["self, batch", "self, a, b, c", "self, y_pred, extra", "self, *, y"])
def test_compute_loss_with_other_arguments_is_told(arguments):
    own = {}
    exec(f"def compute_loss({arguments}): pass", own)
    model = model_of(type("Own", (Sequential,), {"compute_loss": own["compute_loss"]}))
    with pytest.raises(TypeError, match="compute_loss (takes|needs)"):
        model.fit(x, y, verbose=0)


def test_the_model_called_within_compute_loss_is_in_the_mode_of_the_step():
    class Own(Sequential):
        def compute_loss(self, batch, training):
            return jnp.mean((self(batch[0]) - batch[1]) ** 2)

    model = Own([Dropout(0.5, input_shape=(4,)), BatchNormalization(), Dense(1)])
    model.compile("sgd")
    losses = {model.train_on_batch(x, y) for _ in range(2)}
    model.train_on_batch(x, y)
    assert len(losses) == 2
    assert (model.get_weights()[2] != 0).any(), "the moving mean has moved"


def test_a_model_called_in_training_mode_draws_and_moves_its_averages():
    model = Sequential([Dropout(0.5, input_shape=(4,)), BatchNormalization()])
    assert np.array_equal(model(x), model(x, training=False))
    first, second = (np.asarray(model(x, training=True)) for _ in range(2))
    assert (first != second).any()
    assert (model.get_weights()[2] != 0).any()


class Doubled(Sequential):
    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)


def test_a_file_says_that_its_model_had_an_objective_of_its_own(tmp_path):
    model = model_of(Doubled, loss="mean_squared_error")
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", {"Doubled": Doubled})
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    with pytest.warns(UserWarning, match="was a Doubled, whose compute_loss isn't in the file"):
        plain = load_model(tmp_path / "m.h5")
    assert np.isclose(2 * plain.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0))
    with pytest.raises(ValueError, match="must be a subclass of Sequential"):
        load_model(tmp_path / "m.h5", {"Doubled": Dense})


def test_a_method_that_looks_like_a_hook_is_told():
    with pytest.warns(UserWarning, match=r"Own\.on_validation_end is no hook, so no fit calls it\. .*on_test_end"):
        type("Own", (Callback,), {"on_validation_end": lambda self: None})


def test_a_compile_that_fails_changes_nothing():
    model = model_of(Sequential, loss="mse")
    want = model.evaluate(x, y, verbose=0)
    with pytest.raises(ValueError, match="unknown metric"):
        model.compile("adam", "mae", metrics=["acuracy"])
    assert model.evaluate(x, y, verbose=0) == want
