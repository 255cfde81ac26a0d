"""What TensorBoard shows of a model: histograms, images, the graph, activations and gradients."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from event_reading import accumulator, tensors
from flax import nnx
from numpy_engine import X, Y
from PIL import Image
from small_images import CLASSES, IMAGES
from tensorboard.compat.proto.graph_pb2 import GraphDef

from epochal.callbacks import TensorBoard
from epochal.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten
from epochal.models import Model, Sequential
from epochal.tensorboard.histograms import Histogram


class Watched(TensorBoard):
    """Keeps the model's weights as they were at each epoch's end, when they were logged."""

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self.weights.append(self.model.named_weights())


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory):
    """Return a fit of which everything was logged: its model, its callback and the folder."""
    folder = tmp_path_factory.mktemp("logs")
    layers = [Conv2D(4, 3, activation="relu", input_shape=(6, 6, 2)), BatchNormalization(), Flatten(), Dropout(0.5)]
    model = Sequential([*layers, Dense(3, activation="softmax")], name="net")
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    callback = Watched(folder, histogram_freq=2, batch_size=7, write_grads=True, write_images=True)
    model.fit(IMAGES, CLASSES, epochs=3, verbose=0, validation_split=0.4, callbacks=[callback])
    return model, callback, folder


def test_histograms_have_every_weight(convolutional):
    _, callback, folder = convolutional
    logged = tensors(folder / "train")
    for name, weight in callback.weights[2].items():
        assert sorted(logged[name]) == [0, 2]
        np.testing.assert_array_equal(logged[name][2], Histogram.of(weight).buckets())
        assert logged[name][2][:, 2].sum() == weight.size


def test_activations_are_of_every_layer_on_all_validation_data(convolutional):
    _, _, folder = convolutional
    logged = tensors(folder / "train")
    sizes = {"conv2d": 4 * 4 * 4, "batch_normalization": 64, "flatten": 64, "dropout": 64, "dense": 3}
    for layer, size in sizes.items():
        assert sorted(logged[f"{layer}/out"]) == [0, 2]
        assert logged[f"{layer}/out"][0][:, 2].sum() == 20 * size


def test_gradients_are_of_trainable_weights(convolutional):
    _, _, folder = convolutional
    logged = {tag.removesuffix("_grad") for tag in tensors(folder / "train") if tag.endswith("_grad")}
    trainable = ["conv2d/kernel", "conv2d/bias", "batch_normalization/gamma", "batch_normalization/beta"]
    assert logged == {*trainable, "dense/kernel", "dense/bias"}


def test_images_show_every_weight(convolutional):
    _, callback, folder = convolutional
    logged = tensors(folder / "train")
    for name in callback.weights[0]:
        assert sorted(logged[f"{name}/image"]) == [0, 2]
    width, height, *filters = logged["conv2d/kernel/image"][2]
    assert (int(width), int(height), len(filters)) == (6, 3, 4)
    image = np.asarray(Image.open(io.BytesIO(filters[0])))
    left = callback.weights[2]["conv2d/kernel"][:, :, 0, 0]
    assert image.shape == (3, 6)
    assert (np.argsort(image[:, :3].ravel()) == np.argsort(left.ravel())).all() or len(set(image[:, :3].ravel())) < 9


def test_the_graph_is_logged_once(convolutional):
    _, _, folder = convolutional
    graph = GraphDef.FromString(accumulator(folder / "train")._graph)
    names = ["input_layer", "conv2d", "batch_normalization", "flatten", "dropout", "dense"]
    assert [node.name for node in graph.node] == names
    assert [list(node.input) for node in graph.node] == [[], *([name] for name in names[:-1])]
    shapes = [[dim.size for dim in node.attr["_output_shapes"].list.shape[0].dim] for node in graph.node]
    assert shapes == [[-1, 6, 6, 2], [-1, 4, 4, 4], [-1, 4, 4, 4], [-1, 64], [-1, 64], [-1, 3]]
    assert list(tensors(folder / "train")["keras"]) == [0]


def test_activations_and_gradients_equal_those_computed_with_jax():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(23, 4)).astype(np.float32), rng.normal(size=(23, 2)).astype(np.float32)
    weight = rng.random(23).astype(np.float32)
    model = Sequential([Dense(5, activation="tanh", input_dim=4), Dense(2)])
    model.compile(loss="mse", optimizer="sgd")
    model.fit(x, y, epochs=2, verbose=0)
    params = [jnp.asarray(w) for w in model.get_weights()]

    def forward(params):
        hidden = jnp.tanh(x @ params[0] + params[1])
        return hidden, hidden @ params[2] + params[3]

    def loss(params):
        return (weight * ((forward(params)[1] - y) ** 2).mean(axis=1)).sum() / len(x)

    batches = list(model.activations(x, batch_size=10))
    assert [len(batch["dense"]) for batch in batches] == [10, 10, 3]
    for name, expected in zip(("dense", "dense_1"), forward(params), strict=True):
        np.testing.assert_allclose(np.concatenate([b[name] for b in batches]), expected, rtol=1e-5, atol=1e-6)
    found = [g for layer in model.gradients(x, y, weight, batch_size=10).values() for g in layer.values()]
    for gradient, expected in zip(found, jax.grad(loss)(params), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_looking_into_a_model_is_in_inference_mode_and_changes_nothing():
    model = Sequential([Dense(8, input_dim=2), BatchNormalization(), Dropout(0.5), Dense(1)])
    model.compile(loss="mse")
    model.fit(X, Y, verbose=0)
    before = model.get_weights()
    (first,), (second,) = model.activations(X), model.activations(X)
    np.testing.assert_array_equal(first["dropout"], first["batch_normalization"])
    np.testing.assert_array_equal(first["dense_1"], second["dense_1"])
    np.testing.assert_allclose(first["dense_1"], model.predict(X), rtol=1e-5)
    model.gradients(X, Y)
    for weight, same in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_a_plain_module_is_one_layer(tmp_path):
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.hidden, self.out = nnx.Linear(2, 3, rngs=rngs), nnx.Linear(3, 1, rngs=rngs)

        def __call__(self, x):
            return self.out(nnx.relu(self.hidden(x)))

    model = Model(Net(nnx.Rngs(0)))
    model.compile(loss="mse")
    callback = TensorBoard(tmp_path, histogram_freq=1, write_grads=True)
    model.fit(X, Y, epochs=1, verbose=0, validation_data=(X, Y), callbacks=[callback])
    logged = tensors(tmp_path / "train")
    assert {"net/out", "net/hidden/kernel", "net/out/bias_grad"} <= logged.keys()
    graph = GraphDef.FromString(accumulator(tmp_path / "train")._graph)
    assert [(node.name, node.op) for node in graph.node] == [("input", "InputLayer"), ("net", "Net")]


def test_images_without_histograms_are_of_every_epoch(tmp_path):
    model = Sequential([Dense(3, input_dim=2)])
    model.compile(loss="mse")
    callback = TensorBoard(tmp_path, write_images=True, write_graph=False)
    model.fit(X, np.stack([Y] * 3, 1), epochs=2, verbose=0, callbacks=[callback])
    assert {tag: sorted(steps) for tag, steps in tensors(tmp_path / "train").items()} == {
        "dense/kernel/image": [0, 1],
        "dense/bias/image": [0, 1],
    }
