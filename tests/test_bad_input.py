"""Bad input: a clear error at the moment it matters, and a model that is usable afterwards."""

import traceback

import numpy as np
import pytest

from epochal.callbacks import Callback, EarlyStopping, History
from epochal.layers import Activation, Conv2D, Dense, Input
from epochal.models import Sequential

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
CLASSES = np.arange(20) % 3
ONE_HOT = np.eye(3)[CLASSES]


def compiled(loss="sparse_categorical_crossentropy", **kwargs):
    model = Sequential([Dense(3, activation="softmax", input_dim=4)])
    model.compile("sgd", loss, **kwargs)
    return model


@pytest.fixture(scope="module")
def trained():
    """Return a model that has been trained once, which every test here leaves usable."""
    model = compiled()
    model.fit(X, CLASSES, verbose=0)
    return model


def assert_usable(model, y=CLASSES):
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert len(model.fit(X, y, verbose=0).history["loss"]) == 1


def ends_early():
    yield X[:10], CLASSES[:10]


def never_yields():
    return
    yield


BAD_DATA = {
    "nothing": ({"x": X[:0], "y": CLASSES[:0]}, r"there are no samples: x is empty"),
    "other length": ({"x": X, "y": CLASSES[:7]}, r"x has 20 samples, y has 7"),
    "few features": ({"x": X[:, :3], "y": CLASSES}, r"takes inputs of shape \(None, 4\); got x of shape \(20, 3\)"),
    "one axis": ({"x": X[:, 0], "y": CLASSES}, r"takes inputs of shape \(None, 4\); got x of shape \(20,\)"),
    "objects": ({"x": X.astype(object), "y": CLASSES}, r"x must hold numbers; got dtype object"),
    "words": ({"x": X, "y": np.array(["a"] * 20)}, r"y must hold numbers; got dtype <U1"),
    "ragged": ({"x": [[1, 2], [3]], "y": [0, 1]}, r"x can't be made an array"),
    "label too large": ({"x": X, "y": CLASSES + 1}, r"labels? .*3"),
    "negative label": ({"x": X, "y": CLASSES - 1}, r"labels? .*-1"),
    "one-hot": ({"x": X, "y": ONE_HOT}, r"for one-hot labels use loss='categorical_crossentropy'"),
    "no targets": ({"x": X}, r"need targets: pass y"),
    "a number": ({"x": 3}, r"must be arrays or an iterable of batches; got int"),
    "ends early": ({"x": ends_early, "steps_per_epoch": 3}, r"ended after 1 batches of epoch 1; 3 were expected"),
    "never yields": ({"x": never_yields, "steps_per_epoch": 3}, r"ended after 0 batches of epoch 1; 3 were expected"),
    "endless": ({"x": ends_early}, r"say with steps_per_epoch how many batches to take"),
    "batches without y": ({"x": [(X,)]}, r"need targets: pass y"),
    "batch of other width": ({"x": [(X[:, :2], CLASSES)]}, r"takes inputs of shape \(None, 4\)"),
    "second batch bad": ({"x": [(X, CLASSES), (X, CLASSES + 5)]}, r"labels? .*"),
    "iterable with batch_size": ({"x": [(X, CLASSES)], "batch_size": 4}, r"an iterable of batches has its own batches"),
    "iterable with a split": ({"x": [(X, CLASSES)], "validation_split": 0.5}, r"an iterable of batches has its own"),
    "epochs": ({"epochs": -1}, r"epochs must be a whole number of at least 0; got -1"),
    "half an epoch": ({"epochs": 0.5}, r"epochs must be a whole number of at least 0; got 0\.5"),
    "initial_epoch": ({"initial_epoch": -1}, r"initial_epoch must be a whole number of at least 0; got -1"),
    "batch_size": ({"batch_size": -4}, r"batch_size must be a whole number of at least 1; got -4"),
    "no batch": ({"batch_size": 0}, r"batch_size must be a whole number of at least 1; got 0"),
    "float batch": ({"batch_size": 4.5}, r"batch_size must be a whole number of at least 1; got 4\.5"),
    "steps": ({"steps_per_epoch": 0}, r"steps_per_epoch must be a whole number of at least 1; got 0"),
    "split": ({"validation_split": 1.0}, r"leaves nothing to train or to validate on"),
    "negative split": ({"validation_split": -0.1}, r"leaves nothing to train or to validate on"),
    "shuffle": ({"shuffle": "batches"}, r"shuffle must be True, False or 'batch'; got 'batches'"),
    "verbose": ({"verbose": 3}, r"verbose .*0, 1.* 2.*; got 3"),
    "validation_freq": ({"validation_data": (X, CLASSES), "validation_freq": 0}, r"validation_freq must be a whole"),
    "validation of other width": ({"validation_data": (X[:, :1], CLASSES)}, r"takes inputs of shape \(None, 4\)"),
    "validation of one thing": ({"validation_data": (X,)}, r"need targets: pass y, or batches \(x, y\)"),
    "validation labels": ({"validation_data": (X, CLASSES + 9)}, r"labels? .*"),
    "weights": ({"sample_weight": np.ones(3)}, r"x has 20 samples, sample_weight has 3"),
    "class weights": ({"class_weight": {"cat": 1.0}}, r"a weight for each class's number; got the class 'cat'"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_arguments_of_fit_are_refused_before_a_batch_runs(trained, case):
    arguments, message = BAD_DATA[case]
    arguments = {"x": X, "y": CLASSES, "verbose": 0} | arguments if "x" not in arguments else {"verbose": 0} | arguments
    if callable(arguments["x"]):
        arguments["x"] = arguments["x"]()
    before, began = trained.get_weights(), []
    with pytest.raises((ValueError, TypeError), match=message):
        trained.fit(callbacks=[_Begins(began)], **arguments)
    if case not in ("ends early", "second batch bad"):
        assert began == []
        np.testing.assert_array_equal(trained.get_weights()[0], before[0])
    assert_usable(trained)


def test_what_goes_with_arrays_is_refused_beside_batches(trained):
    batches = [(X, CLASSES)]
    with pytest.raises(ValueError, match="validation_split and sample_weight go with arrays x and y; an iterable of"):
        trained.fit(batches, sample_weight=np.ones(20), validation_split=0.5, verbose=0)
    with pytest.raises(ValueError, match="sample_weight and batch_size go with arrays x and y; an iterable of batches"):
        trained.evaluate(batches, sample_weight=np.ones(20), batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="batch_size goes with arrays x and y; an iterable of batches has its own"):
        trained.predict(batches, batch_size=4)
    assert_usable(trained)


class _Begins(Callback):
    def __init__(self, began):
        self.began = began

    def on_train_begin(self, logs=None):
        self.began.append(True)


@pytest.mark.parametrize(
    "case", ["nothing", "few features", "one axis", "objects", "label too large", "negative label"]
)
@pytest.mark.parametrize("ask", ["evaluate", "train_on_batch", "test_on_batch"])
def test_other_ways_in_refuse_the_same(trained, case, ask):
    arguments, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message):
        getattr(trained, ask)(arguments["x"], arguments["y"])
    assert_usable(trained)


@pytest.mark.parametrize("case", ["nothing", "few features", "one axis", "objects"])
def test_predict_refuses_the_same(trained, case):
    arguments, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message):
        trained.predict(arguments["x"])


@pytest.mark.parametrize("case", ["few features", "one axis", "label too large", "negative label", "one-hot"])
def test_a_model_that_was_never_trained_refuses_the_same(case):
    arguments, message = BAD_DATA[case]
    model = compiled()
    with pytest.raises(ValueError, match=message):
        model.fit(verbose=0, **arguments)
    assert_usable(model)


def test_evaluation_needs_targets(trained):
    with pytest.raises(ValueError, match="need targets: pass y"):
        trained.evaluate(X)


def test_a_layer_that_does_not_fit_is_not_added():
    model = Sequential([Dense(3, input_dim=4)])
    with pytest.raises(ValueError, match=r"Conv2D takes \(height, width, channels\)") as caught:
        model.add(Conv2D(3, 3))
    assert caught.value.__notes__ == ["This is the layer 'conv2d', whose inputs have shape (None, 3)."]
    with pytest.raises(ValueError, match="Incompatible shapes"):
        model.add(lambda x: x + np.ones(5))
    model.add(Dense(2))
    assert [layer.name for layer in model.layers] == ["dense", "dense_1"]
    assert model.predict(X).shape == (20, 2)


def test_a_model_without_an_input_shape_is_built_by_the_first_batch():
    model = Sequential([Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit([(X, CLASSES)], verbose=0)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(None, 4\); got x of shape \(20, 2\)"):
        model.fit([(X[:, :2], CLASSES)], verbose=0)


# Names


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(3, activation="rellu"), r"unknown activation 'rellu'\. Did you mean 'relu'"),
        (lambda: Activation("sofmax"), r"unknown activation 'sofmax'\. Did you mean 'softmax'"),
        (lambda: Dense(3, kernel_initializer="glorot"), r"unknown initializer 'glorot'\. Did you mean 'glorot_"),
        (lambda: compiled(loss="categorical_crosentropy"), r"unknown loss .*Did you mean 'categorical_crossentropy'"),
        (lambda: compiled(metrics=["acuracy"]), r"unknown metric 'acuracy'\. Did you mean 'accuracy'"),
        (lambda: Sequential([Dense(1)]).compile("adm", "mse"), r"unknown optimizer 'adm'\. Did you mean 'adam'"),
        (lambda: Dense(0), r"units must be a positive whole number; got 0"),
        (lambda: Dense("3"), r"units must be a positive whole number; got '3'"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_ones(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Dense, r"layers must be instances; got the class Dense\. Write Dense\(…\)"),
        (3, r"a layer is a Layer, a flax\.nnx\.Module or a function; got 3"),
        ("relu", r"a layer is a Layer, a flax\.nnx\.Module or a function; got 'relu'"),
    ],
)
def test_what_is_no_layer_is_refused(layer, message):
    with pytest.raises(TypeError, match=message):
        Sequential([layer])


def test_without_compile_or_a_loss_training_says_what_to_do():
    model = Sequential([Dense(3, input_dim=4)])
    for ask in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=r"isn't compiled: call model\.compile\(optimizer=…, loss=…\) first"):
            ask(X, CLASSES)
    assert model.predict(X).shape == (20, 3)


def test_an_empty_model_says_so():
    model = Sequential()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="has no layers: add one"):
        model.fit(X, X, verbose=0)


# Callbacks


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([History], r"callbacks must be instances; got the class History\. Write History\(…\)"),
        ([3], r"callbacks must have hooks such as on_epoch_end; 3 has none"),
        (History, r"callbacks must be instances; got the class History"),
    ],
)
def test_what_is_no_callback_is_refused_before_a_batch_runs(trained, callbacks, message):
    with pytest.raises(TypeError, match=message):
        trained.fit(X, CLASSES, verbose=0, callbacks=callbacks)
    assert_usable(trained)


def test_a_monitors_typo_warns_and_then_is_an_error(trained):
    with (
        pytest.warns(UserWarning, match=r"'val_los' is no metric of this fit\. Did you mean 'val_loss'"),
        pytest.raises(ValueError, match=r"'val_los' is not in the logs: loss, val_loss\. Did you mean 'val_loss'"),
    ):
        trained.fit(
            X, CLASSES, verbose=0, epochs=9, validation_split=0.2, callbacks=[EarlyStopping("val_los", mode="min")]
        )
    assert_usable(trained)


def failing_generator():
    yield X, CLASSES
    raise OSError("disk gone")


class Fails(Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("callback broken")


class Closes(Callback):
    closed = False

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("arguments", "error", "where"),
    [
        ({"x": X, "y": CLASSES, "epochs": 5, "callbacks": [Fails()]}, "callback broken", "on_epoch_end"),
        (
            {"x": failing_generator, "steps_per_epoch": 1, "epochs": 5, "callbacks": []},
            "disk gone",
            "failing_generator",
        ),
    ],
)
def test_a_callback_or_generator_that_raises_shows_its_own_traceback_and_leaves_the_model_usable(
    trained, arguments, error, where
):
    closes, history = Closes(), History()
    arguments = arguments | {"callbacks": [*arguments["callbacks"], closes, history], "verbose": 0}
    if callable(arguments["x"]):
        arguments["x"] = arguments["x"]()
    with pytest.raises((RuntimeError, OSError), match=error) as caught:
        trained.fit(**arguments)
    assert where in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert closes.closed
    assert trained.history is history
    assert history.epoch == [0]
    assert_usable(trained)


def test_a_loss_that_raises_leaves_the_model_usable():
    model = Sequential([Dense(3, activation="softmax", input_dim=4)])
    model.compile("sgd", lambda y, p: p["wrong"])
    with pytest.raises(TypeError, match=r"wrong|index|indices|scalar"):
        model.fit(X, CLASSES, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert_usable(model)


def test_a_model_without_layers_says_so():
    for layers, shape in (([], None), ([Input((3,))], None), ([Input((3,))], (None, 3))):
        with pytest.raises(ValueError, match="sequential has no layers: add one"):
            Sequential(layers).build(shape)
    with pytest.raises(ValueError, match="an Input must be the first"):
        Sequential([Input((3,)), Input((3,))])


def test_a_layer_that_could_not_be_added_leaves_nothing_behind():
    model = Sequential()
    with pytest.raises(ValueError, match="Conv2D takes"):
        model.add(Conv2D(2, 3, input_shape=(4,)))
    assert (model.layers, model.built) == ([], False)
    model.add(Conv2D(2, 3, input_shape=(8, 8, 1)))
    assert model.output_shape == (None, 6, 6, 2)
