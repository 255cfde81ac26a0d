"""Data of all kinds that Keras's own fit takes, in a fit of a Keras model on our loop."""

import numpy as np
import pytest

km = pytest.importorskip("keras_models")
Model = pytest.importorskip("epochal.keras").Model

keras, layers = km.keras, km.keras.layers
X, Y, LABELS, WEIGHTS = km.ROWS, km.TARGETS, km.LABELS, km.WEIGHTS


def net(outputs=1, loss="mse", **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(outputs, "softmax" if outputs > 1 else None)])
    model.compile("sgd", loss, **compiled)
    return model


class Batches(keras.utils.PyDataset):
    """Batches by index, which are told when an epoch ends."""

    ended = 0

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = slice(index * 8, index * 8 + 8)
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.ended += 1


def generator():
    while True:
        for at in range(0, 40, 8):
            yield X[at : at + 8], Y[at : at + 8], WEIGHTS[at : at + 8]


def list_of_batches():
    return [(X[at : at + 7], Y[at : at + 7]) for at in range(0, 40, 7)]


KINDS = {
    "float64": lambda: {"x": X.astype("float64"), "y": Y.astype("float64"), "batch_size": 8},
    "targets in one axis": lambda: {"x": X, "y": Y[:, 0], "batch_size": 8},
    "sample weights": lambda: {"x": X, "y": Y, "sample_weight": WEIGHTS, "batch_size": 8},
    "generator": lambda: {"x": generator(), "steps_per_epoch": 3},
    "batches by index": lambda: {"x": Batches()},
    "split": lambda: {"x": X, "y": Y, "validation_split": 0.3, "batch_size": 8, "validation_batch_size": 5},
    "validated by weight": lambda: {
        "x": X, "y": Y, "batch_size": 8, "validation_data": (X[:9], Y[:9], WEIGHTS[:9]), "validation_freq": 2,
    },
    "steps": lambda: {"x": X, "y": Y, "batch_size": 8, "steps_per_epoch": 1, "validation_data": (X, Y),
                      "validation_steps": 1},
    "later epochs": lambda: {"x": X, "y": Y, "batch_size": 16, "initial_epoch": 1},
    "arrays of jax": lambda: {"x": keras.ops.convert_to_tensor(X), "y": keras.ops.convert_to_tensor(Y)},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_logs_and_weights_are_those_of_keras(kind):
    histories, weights = [], []
    for run in ("keras", "ours"):
        model = net(weighted_metrics=["mae"])
        fit = model.fit if run == "keras" else Model(model).fit
        histories.append(fit(**KINDS[kind](), epochs=3, verbose=0, shuffle=False).history)
        weights.append(model.get_weights()[0])
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, 2e-5, err_msg=name)
    np.testing.assert_allclose(*weights, 1e-4, 1e-6)


def test_batches_by_index_are_told_when_each_epoch_ends():
    batches = Batches(workers=2)
    Model(net()).fit(batches, epochs=3, verbose=0)
    assert batches.ended == 3


@pytest.mark.parametrize("one_hot", [False, True])
def test_classes_have_their_weights(one_hot):
    y = keras.utils.to_categorical(LABELS, 3) if one_hot else LABELS
    loss = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
    options = {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}, "batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False}
    expected = net(3, loss).fit(X, y, **options).history["loss"]
    assert Model(net(3, loss)).fit(X, y, **options).history["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_step_of_ones_own_gets_batches_as_they_are():
    seen = []

    class Own(keras.Model):
        def call(self, data):
            return data["a"]

        def train_step(self, state, data):
            seen.append(type(data).__name__)
            return {"mean": keras.ops.mean(data["a"])}, state

    model = Own()
    model.compile("sgd")
    with pytest.warns(UserWarning, match="no weights to train"):
        history = Model(model).fit({"a": X}, epochs=1, verbose=0, shuffle=False)
    assert set(seen) == {"dict"}
    assert history.history["mean"] == pytest.approx([X[32:].mean()], rel=1e-4)  # as Keras: that of the last batch


def test_the_order_follows_numpys_seed_and_is_another_one_in_each_epoch():
    def order(seed):
        rows = []
        keras.utils.set_random_seed(seed)
        model = net()
        keras.utils.set_random_seed(seed)

        class Reads(keras.Model):
            def call(self, x):
                keras.ops.shape(x)
                return model(x)

        history = Model(model).fit(X, Y, batch_size=1, epochs=2, verbose=0, callbacks=[
            keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: rows.append(logs["loss"]))
        ])  # fmt: skip
        assert len(rows) == 80
        return rows, history

    assert order(3)[0] == order(3)[0] != order(4)[0]


def test_predictions_evaluations_and_single_batches_are_those_of_keras():
    model = net(weighted_metrics=["mae"])
    wrapper = Model(model)
    np.testing.assert_allclose(wrapper.predict(X, 7), model.predict(X, 7, verbose=0), 1e-6)
    np.testing.assert_allclose(wrapper.predict_on_batch(X[:3]), model.predict_on_batch(X[:3]), 1e-6)
    assert wrapper.evaluate(X, Y, 7, 0, WEIGHTS) == pytest.approx(model.evaluate(X, Y, 7, 0, WEIGHTS), rel=1e-5)
    found = wrapper.evaluate(X, Y, verbose=0, return_dict=True)
    assert found == pytest.approx(model.evaluate(X, Y, verbose=0, return_dict=True), rel=1e-5)
    other = net(weighted_metrics=["mae"])
    for at in range(0, 40, 10):
        rows = slice(at, at + 10)
        assert wrapper.train_on_batch(X[rows], Y[rows]) == pytest.approx(other.train_on_batch(X[rows], Y[rows]), 1e-5)
    wrapper.test_on_batch(X[:5], Y[:5])  # the next one counts for itself
    assert wrapper.test_on_batch(X, Y, WEIGHTS) == pytest.approx(other.test_on_batch(X, Y, WEIGHTS), rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], other.get_weights()[0], 1e-5, 1e-6)


def test_random_numbers_that_a_prediction_draws_go_on():
    class Noise(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.seed = keras.random.SeedGenerator(1)

        def call(self, x):
            return x + keras.random.normal((), seed=self.seed)

    models = [keras.Sequential([keras.Input((5,)), Noise()]) for _ in range(2)]
    ours, theirs = Model(models[0]).predict(X, 8), models[1].predict(X, 8, verbose=0)
    np.testing.assert_allclose(ours, theirs, 1e-6)
    np.testing.assert_allclose(Model(models[0]).predict(X, 8), models[1].predict(X, 8, verbose=0), 1e-6)


def test_models_that_share_layers_train_in_turn():
    def pair():
        keras.utils.set_random_seed(2)
        shared = layers.Dense(4, "tanh")
        models = []
        for outputs in (1, 3):
            inputs = keras.Input((5,))
            models.append(keras.Model(inputs, layers.Dense(outputs)(shared(inputs))))
            models[-1].compile("sgd", "mse")
        return models

    found = []
    for run in (lambda model: model, Model):
        first, second = pair()
        for _ in range(3):
            run(first).train_on_batch(X, Y)
            run(second).train_on_batch(X, X[:, :3])
            run(first).fit(X, Y, verbose=0, epochs=1, shuffle=False)
        found.append(first.get_weights())
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-4, 1e-6)


def test_a_generator_without_a_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="gone through only once"):
        Model(net()).fit(generator(), verbose=0)
