"""What Keras's callbacks and programs ask of models, layers and optimizers beside training."""

import numpy as np
import pytest
from flax import nnx

from epochal.callbacks import Callback, CSVLogger, LambdaCallback, ModelCheckpoint
from epochal.layers import Concatenate, Dense, Dropout, Embedding, Flatten, Input, Layer
from epochal.models import Model, Sequential

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = X[:, :1]


def line(**compiled):
    model = Sequential([Dense(3, input_dim=4, name="inner"), Dense(1)])
    model.compile("sgd", "mse", **compiled)
    return model


def test_layers_give_and_take_their_weights():
    model = line()
    inner = model.layers[0]
    model.fit(X, Y, verbose=0)
    kernel, bias = inner.get_weights()
    model.train_on_batch(X, Y)
    now, _ = inner.get_weights()
    assert abs(now - kernel).max() > 0  # the current ones, also of a layer that was asked for earlier
    inner.set_weights([kernel, bias + 1])
    np.testing.assert_array_equal(model.get_weights()[1], bias + 1)
    assert (inner.count_params(), model.count_params()) == (15, 19)
    with pytest.raises(ValueError, match="the layer 'inner' has 2 weights; got 1"):
        inner.set_weights([kernel])
    with pytest.raises(ValueError, match=r"bias has shape \(3,\); got an array of shape \(4,\)"):
        inner.set_weights([kernel * 0, np.zeros(4)])
    np.testing.assert_array_equal(inner.get_weights()[0], kernel)
    with pytest.raises(ValueError, match="isn't built yet"):
        Dense(1, name="loose").count_params()
    assert Dense(1).get_weights() == []


def test_what_an_inner_layer_makes_is_a_models_output():
    late = Sequential([Flatten(), Dense(3, name="inner"), Dense(1)])
    with pytest.raises(AttributeError, match="isn't built yet"):
        late.output
    late.build((None, 4))
    features = Model(late.input, late.get_layer("inner").output)
    kernel, bias = late.get_layer("inner").get_weights()
    np.testing.assert_allclose(features.predict(X), X @ kernel + bias, rtol=1e-5, atol=1e-6)
    late.compile("sgd", "mse")
    late.fit(X, Y, verbose=0)
    kernel, bias = late.get_layer("inner").get_weights()
    np.testing.assert_allclose(features.predict(X), X @ kernel + bias, rtol=1e-5, atol=1e-6)
    assert (late.layers[1].input.shape, late.outputs[0].shape) == ((None, 4), (None, 1))


def test_symbolic_ends_of_a_functional_model_are_those_that_it_was_made_from():
    a, b = Input((2,)), Input((3,))
    dense = Dense(4)
    made = dense(a)
    model = Model({"a": a, "b": b}, [made, Dense(1)(b)])
    assert (model.input["a"], model.inputs[1], model.outputs[0], dense.output, dense.input) == (a, b, made, made, a)
    with pytest.raises(AttributeError, match="the layer None has no input and output yet"):
        Dense(2).output


def test_a_model_says_what_it_was_compiled_with_and_what_it_logs():
    model = line(metrics=["mae"])
    assert (model.loss, model.metrics_names, len(model.metrics)) == ("mse", ["loss", "mae"], 1)
    assert (model.built, model.optimizer.iterations) == (True, 0)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert (model.metrics_names, model.optimizer.iterations) == (["loss", "mae"], 8)
    model.optimizer = "adam"
    assert (model.optimizer.iterations, model.optimizer.name) == (0, "adam")
    model.fit(X, Y, batch_size=4, verbose=0)
    assert model.optimizer.iterations == 4
    with pytest.raises(AttributeError, match="isn't compiled"):
        Sequential([Dense(1)]).optimizer = "adam"


def test_build_needs_a_shape_only_where_none_is_known():
    line().build()
    line().build((None, 4))
    with pytest.raises(ValueError, match=r"built already, for inputs of shape \(None, 4\); got \(None, 5\)"):
        line().build((None, 5))
    with pytest.raises(ValueError, match="give build an input_shape"):
        Sequential([Dense(1)]).build()
    with pytest.raises(ValueError, match=r"takes one input, of a shape such as \(None, 64\); got \[\(None, 4\)\]"):
        Sequential([Dense(1)]).build([(None, 4)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([(None, 4), (None, 5)], r"built already, for inputs of shape \(None, 3\) for 'b'; got \(None, 5\)"),
        ({"b": (8, 3), "a": (8, 4, 1)}, r"for inputs of shape \(None, 4\) for 'a'; got \(8, 4, 1\)"),
        ({"a": (None, 4), "c": (None, 3)}, "input_shape has 'c', which is no input"),
        ((None, 4), "2 inputs, so input_shape is a list or a dict of shapes for a, b; got 1 of them"),
    ],
)
def test_build_compares_the_shapes_of_several_inputs(given, message):
    a, b = Input((4,), name="a"), Input((3,), name="b")
    model = Model([a, b], Dense(1)(Concatenate()([a, b])))
    model.build([(None, 4), (None, 3)])
    model.build({"b": (8, 3), "a": [None, 4]})
    with pytest.raises(ValueError, match=message):
        model.build(given)


def test_files_may_be_kept_from_being_replaced(tmp_path):
    class Saver(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(tmp_path / "m.h5", overwrite=True)
            self.model.save_weights(filepath=tmp_path / "m.weights.h5", overwrite=True)

    model = line()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Saver()])
    before = (tmp_path / "m.h5").read_bytes()
    model.fit(X, Y, verbose=0)
    for save, name in ((model.save, "m.h5"), (model.save_weights, "m.weights.h5")):
        with pytest.raises(FileExistsError, match=f"{name} is there already"):
            save(tmp_path / name, overwrite=False)
    assert (tmp_path / "m.h5").read_bytes() == before
    model.save_weights(tmp_path / "new.weights.h5", overwrite=False)


@pytest.mark.filterwarnings("ignore:.*no metric of this fit")
def test_scalar_arrays_in_the_logs_are_numbers(tmp_path):
    scores = {"f1": np.float32(0.5), "f2": np.array(2)}
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(scores, f3=np.float64(3)))
    saving, table = ModelCheckpoint(tmp_path / "m-{f1:.3f}-{f2:d}.h5"), CSVLogger(tmp_path / "log.csv")
    history = line().fit(X, Y, verbose=0, callbacks=[add, saving, table]).history
    assert [type(history[name][0]) for name in ("f1", "f2", "f3")] == [float, int, float]
    assert (tmp_path / "m-0.500-2.h5").exists()
    assert (tmp_path / "log.csv").read_text().splitlines()[1].endswith("0.5,2,3.0")


def test_verbose_takes_what_keras_takes(capsys):
    line().fit(X, Y, verbose="auto")
    assert "loss" in capsys.readouterr().out
    with pytest.raises(ValueError, match="verbose is 0, 1, 2 or \"auto\"; got 'yes'"):
        line().fit(X, Y, verbose="yes")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("run_eagerly", True, "run_eagerly can't be True: steps are always compiled"),
        ("layers", [], "layers only tells what is so; it can't be set. Make another model of the layers"),
        ("loss", "mae", "loss only tells what is so; it can't be set. Compile again"),
        ("stop_trainning", True, "Did you mean 'stop_training'"),
    ],
)
def test_an_attribute_of_a_model_that_would_do_nothing_is_refused(name, value, message):
    model = line()
    with pytest.raises(AttributeError, match=message):
        setattr(model, name, value)
    model.run_eagerly, model.note = False, "mine"


def test_a_setting_of_an_optimizer_is_taken_before_training_and_refused_after():
    model, plain = line(), line()
    plain.set_weights(model.get_weights())
    model.optimizer.momentum = 0.5
    for each in (model, plain):
        each.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert abs(model.get_weights()[0] - plain.get_weights()[0]).max() > 0
    with pytest.raises(AttributeError, match="momentum of this SGD can't be changed any more"):
        model.optimizer.momentum = 0.9
    with pytest.raises(AttributeError, match="SGD has no setting 'learningrate'. Did you mean 'learning_rate'"):
        model.optimizer.learningrate = 0.1
    model.optimizer.momentum = 0.5  # as it is
    assert model.optimizer.iterations.numpy() == 4


def test_a_setting_of_a_built_layer_that_nothing_looks_at_is_refused():
    class Scaled(Layer):
        def __init__(self, by):
            super().__init__()
            self.by = by

        def call(self, x):
            return self.by * x

    dropout, scaled = Dropout(0.5, name="drop"), Scaled(2.0)
    dropout.rate = 0.25
    model = Sequential([Dense(1, input_dim=4), dropout, scaled])
    with pytest.raises(AttributeError, match="rate of the layer 'drop' is 0.25 since it was built: make a new layer"):
        dropout.rate = 0.1
    with pytest.raises(AttributeError, match="units of the layer 'dense'"):
        model.layers[0].units = 3
    table = Embedding(3, 1)
    table(np.zeros((1, 1)))
    with pytest.raises(AttributeError, match="input_dim of the layer None is 3 since it was built"):
        table.input_dim = 4
    before = model.predict(X)
    scaled.by, model.layers[0].activation = 3.0, lambda x: -x  # of one's own, and what compile takes up
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(X), -1.5 * before, rtol=1e-5)


def test_a_setting_changed_after_compile_warns_until_the_model_is_compiled_again():
    model = line()
    model.fit(X, Y, verbose=0)
    other = lambda x: x * 2
    change = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model.layers[0], "activation", other))
    with pytest.warns(UserWarning, match="activation of inner: the steps of .* were compiled before that change"):
        model.fit(X, Y, verbose=0, callbacks=[change])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)


def test_a_setting_of_a_module_changed_after_compile_warns():
    class Net(nnx.Module):
        def __init__(self):
            self.linear, self.drop = nnx.Linear(4, 1, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1))

        def __call__(self, x):
            return self.drop(self.linear(x))

    model = Model(Net())
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    model.module.drop.rate = 0.1
    with pytest.warns(UserWarning, match=r"rate of drop \(0.5 then, 0.1 now\)"):
        model.fit(X, Y, verbose=0)
