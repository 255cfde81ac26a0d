"""A misspelt argument is an error that says whose it was to be, and names the nearest there is."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from epochal import callbacks, initializers, layers, losses, metrics, optimizers
from epochal.layers import Dense, Layer
from epochal.models import Model, Sequential, load_model

X, Y = np.ones((4, 2)), np.ones(4)


@pytest.fixture(scope="module")
def model():
    model = Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("make", "owner", "nearest"),
    [
        (lambda: Dense(1, activaton="relu"), "Dense", "activation"),
        (lambda: layers.Conv2D(1, 3, stride=2), "Conv2D", "strides"),
        (lambda: layers.LSTM(1, retrun_sequences=True), "LSTM", "return_sequences"),
        (lambda: layers.Dropout(0.1, nme="d"), "Dropout", "name"),
        (lambda: layers.BatchNormalization(momentun=0.9), "BatchNormalization", "momentum"),
        (lambda: layers.Bidirectional(layers.GRU(1), mrge_mode="sum"), "Bidirectional", "merge_mode"),
        (lambda: layers.Input(shpe=(1,)), "Input", "shape"),
        (lambda: losses.Huber(dleta=1), "Huber", "delta"),
        (lambda: losses.CategoricalCrossentropy(from_logit=True), "CategoricalCrossentropy", "from_logits"),
        (lambda: metrics.AUC(num_treshold=3), "AUC", "num_thresholds"),
        (lambda: optimizers.Adam(learnin_rate=3), "Adam", "learning_rate"),
        (lambda: initializers.RandomNormal(std=3), "RandomNormal", "stddev"),
        (lambda: callbacks.EarlyStopping(patiens=3), "EarlyStopping", "patience"),
        (lambda: callbacks.ModelCheckpoint("x.h5", savebest_only=True), "ModelCheckpoint", "save_best_only"),
        (lambda: Sequential(layer=[]), "Sequential", "layers"),
        (lambda: Model(input=None), "Model", "inputs"),
        (lambda: load_model("x.h5", custom_object={}), r"load_model\(\)", "custom_objects"),
    ],
)
def test_constructors_name_the_class_and_the_nearest_argument(make, owner, nearest):
    argument = r"'\w+'"
    with pytest.raises(TypeError, match=rf"^{owner} has no argument {argument}\. Did you mean '{nearest}'"):
        make()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m.compile(optimiser="sgd"), r"compile\(\) has no argument 'optimiser'\. Did you mean 'optimizer'"),
        (lambda m: m.compile("sgd", "mse", metric=["mae"]), r"compile\(\) .*'metric'\. Did you mean 'metrics'"),
        (lambda m: m.fit(X, Y, epoch=3), r"fit\(\) has no argument 'epoch'\. Did you mean 'epochs'"),
        (lambda m: m.fit(X, Y, workers=3), r"fit\(\) has no argument 'workers'\. Known: x, y, batch_size, epochs,"),
        (lambda m: m.evaluate(X, Y, batchsize=3), r"evaluate\(\) .*Did you mean 'batch_size'"),
        (lambda m: m.predict(X, batchsize=3), r"predict\(\) .*Did you mean 'batch_size'"),
        (lambda m: m.train_on_batch(X, Y, sample_weights=Y), r"train_on_batch\(\) .*Did you mean 'sample_weight'"),
        (
            lambda m: m.load_weights(filpath="x"),
            r"load_weights\(\) has no argument 'filpath'\. Did you mean 'filepath'",
        ),
    ],
)
def test_methods_name_themselves_and_the_nearest_argument(model, ask, message):
    with pytest.raises(TypeError, match=message):
        ask(model)


def test_arguments_that_no_keyword_is_wrong_in_are_left_to_python(model):
    with pytest.raises(TypeError, match=r"predict\(\) missing 1 required positional argument: 'x'"):
        model.predict()
    with pytest.raises(TypeError, match="Dense.__init__\\(\\) missing 1 required positional argument: 'units'"):
        Dense()
    with pytest.raises(TypeError, match="takes no arguments"):
        callbacks.Callback(3)
    with pytest.raises(TypeError, match=r"one\(\) got an unexpected keyword argument 'b'"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.LambdaCallback(on_train_begin=lambda logs: one(b=1))])


def one(a):
    return a


def test_a_layer_of_ones_own_takes_what_it_takes_and_what_it_passes_on():
    class Scale(Dense):
        def __init__(self, units, **kwargs):
            self.factor = kwargs.pop("factor", 1.0)
            super().__init__(units, **kwargs)

    assert Scale(1, factor=2.0, name="s").factor == 2.0
    with pytest.raises(TypeError, match=r"^Scale has no argument 'use_bais'\. Did you mean 'use_bias'"):
        Scale(1, use_bais=False)

    class Bare(Layer):
        pass

    with pytest.raises(TypeError, match=r"^Bare has no argument 'units'\. Known: .*name"):
        Bare(units=3)


def test_objects_stay_what_they_were():
    for made in (callbacks.EarlyStopping(), losses.Huber(0.5), metrics.AUC(), initializers.RandomNormal()):
        for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            assert type(again) is type(made)
    assert list(inspect.signature(Model.fit).parameters)[:4] == ["self", "x", "y", "batch_size"]
    assert list(inspect.signature(losses.Huber).parameters) == ["delta", "name"]
