"""Files, TensorBoard and resumed runs of Keras models."""

import numpy as np
import pytest
from event_reading import scalars, tensors

import epochal.callbacks as ours
from epochal.storage.files import write_durably

km = pytest.importorskip("keras_models")
Model = pytest.importorskip("epochal.keras").Model

keras, layers = km.keras, km.keras.layers
X, Y = km.ROWS, km.TARGETS


def net(units=3, loss="mse", optimizer="adam"):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(units, "relu"), layers.Dropout(0.2), layers.Dense(1)])
    model.compile(optimizer, loss, metrics=["mae"])
    return model


def fit(model, *callbacks, epochs=2, **options):
    return Model(model).fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=[*callbacks], seed=1, **options)


def test_checkpoints_hold_the_state_of_their_epoch_and_keras_loads_them(tmp_path):
    kinds = [
        ours.ModelCheckpoint(tmp_path / "{epoch}.keras"),
        ours.ModelCheckpoint(tmp_path / "{epoch}.h5"),
        ours.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        ours.ModelCheckpoint(tmp_path / "old-{epoch}.h5", save_weights_only=True),
        ours.ModelCheckpoint(tmp_path / "batch-{batch}.keras", save_freq=3),
    ]
    seen = []
    model = net()
    look = ours.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()))
    fit(model, *kinds, look, keras.callbacks.ModelCheckpoint(tmp_path / "keras-{epoch}.keras"))
    for epoch, weights in enumerate(seen, 1):
        loaded = [keras.saving.load_model(tmp_path / f"{name}{epoch}.keras") for name in ("", "keras-")]
        loaded.append(keras.saving.load_model(tmp_path / f"{epoch}.h5", compile=False))
        for name in (f"{epoch}.weights.h5", f"old-{epoch}.h5"):
            loaded.append(net())
            loaded[-1].optimizer.build(loaded[-1].trainable_variables)
            loaded[-1].load_weights(tmp_path / name)
        for other in loaded:
            for one, expected in zip(other.get_weights(), weights, strict=True):
                np.testing.assert_array_equal(one, expected)
        assert [int(other.optimizer.iterations.value) for other in loaded[:2]] == [5 * epoch] * 2
        moments = [[np.asarray(v.value) for v in other.optimizer.variables] for other in loaded[:2]]
        np.testing.assert_equal(*moments)
    assert sorted(path.name for path in tmp_path.glob("batch-*")) == ["batch-1.keras", "batch-3.keras", "batch-4.keras"]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("name", "weights_only"), [("x.txt", False), ("x.weights.h5", False), ("x.keras", True)])
def test_a_name_that_keras_has_no_format_for_is_an_error_at_the_start(tmp_path, name, weights_only):
    with pytest.raises(ValueError, match="in a file that ends in"):
        fit(net(), ours.ModelCheckpoint(tmp_path / name, save_weights_only=weights_only))


def test_a_file_that_cant_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    fit(net(), ours.ModelCheckpoint(path), epochs=1)
    before = path.read_bytes()

    def fails(target, write, size=None, suffix=""):
        def half(temporary):
            write(temporary)
            raise OSError(28, "No space left on device")

        write_durably(target, half, size, suffix)

    monkeypatch.setattr("epochal.keras.snapshot.write_durably", fails)
    with pytest.raises(OSError, match="could not write"):
        fit(net(), ours.ModelCheckpoint(path))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


def test_tensorboard_has_weights_activations_gradients_and_the_graph(tmp_path):
    model = net()
    board = ours.TensorBoard(tmp_path, histogram_freq=1, write_grads=True, batch_size=16)
    fit(model, board, epochs=1, validation_data=(X, Y))
    tags, names = tensors(tmp_path / "train"), [layer.name for layer in model.layers]
    assert {f"{names[0]}/kernel", f"{names[2]}/bias", f"{names[0]}/out", f"{names[2]}/kernel_grad"} <= tags.keys()
    assert scalars(tmp_path / "validation").keys() == {"epoch_loss", "epoch_mae"}
    assert scalars(tmp_path / "train")["epoch_lr"] == {0: pytest.approx(1e-3)}


def test_activations_and_gradients_are_those_of_keras_and_jax():
    import jax

    from epochal.keras.running import trainer_of

    model = net()
    tools = trainer_of(model)._tools
    fit(model, epochs=1)
    found = [*tools.activations(X, 16)]
    assert [len(batch[model.layers[0].name]) for batch in found] == [16, 16, 8]
    hidden = np.concatenate([batch[model.layers[0].name] for batch in found])
    np.testing.assert_allclose(hidden, keras.Model(model.inputs, model.layers[0].output).predict(X, verbose=0), 1e-5)

    def loss(values):
        y_pred, _ = model.stateless_call(values, [v.value for v in model.non_trainable_variables], X, training=False)
        return ((y_pred - Y) ** 2).mean()

    expected = jax.grad(loss)([v.value for v in model.trainable_variables])
    gradients = tools.gradients(X, Y, batch_size=15)
    np.testing.assert_allclose(gradients[model.layers[0].name]["kernel"], expected[0], 1e-4, 1e-6)
    assert [*gradients[model.layers[1].name]] == []
    nodes = tools.layer_graph()
    assert [node.class_name for node in nodes] == ["InputLayer", "Dense", "Dropout", "Dense"]
    assert nodes[1].inputs == (nodes[0].name,)
    assert nodes[3].output_shape == (None, 1)


class Own(keras.Model):
    def __init__(self, scale=1.0):
        super().__init__(name="own")
        self.dense, self.scale = layers.Dense(1), scale

    def call(self, x):
        return self.dense(x) * self.scale


def test_the_graph_of_a_model_of_an_own_class_is_one_node_after_its_inputs():
    from epochal.keras.running import trainer_of

    model = Own()
    model.compile("sgd", "mse")
    fit(model, epochs=1)
    nodes = trainer_of(model)._tools.layer_graph()
    assert [(node.name, node.inputs) for node in nodes] == [("input", ()), ("own", ("input",))]


class Stops(ours.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

    def state_dict(self):
        return {}


def test_what_keras_callbacks_remember_is_part_of_the_run(tmp_path):
    def callbacks():
        return [
            keras.callbacks.EarlyStopping("loss", patience=3, min_delta=100, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau("loss", patience=2, min_delta=100),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.weights.h5", "loss", save_best_only=True, mode="min",
                                            save_weights_only=True),
        ]  # fmt: skip

    free = net()
    expected = fit(free, *callbacks(), epochs=6)
    with pytest.raises(KeyboardInterrupt):
        fit(net(), *callbacks(), ours.BackupAndRestore(tmp_path / "run"), Stops(), epochs=6)
    model, again = net(), callbacks()
    history = fit(model, *again, ours.BackupAndRestore(tmp_path / "run"), epochs=6)
    assert history.history["loss"] == expected.history["loss"]
    assert again[0].stopped_epoch == 3
    np.testing.assert_equal(model.get_weights(), free.get_weights())


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        ({}, {"units": 4}, "units: 3 then, 4 now"),
        ({}, {"loss": "mae"}, "loss: mse then, mae now"),
        ({}, {"optimizer": keras.optimizers.Adam(0.5)}, "learning_rate: 0.001.* then, 0.5 now"),
        ({}, {"optimizer": "sgd"}, "optimizer.class: Adam then, SGD now"),
    ],
)
def test_a_run_of_another_model_is_refused_by_what_differs(tmp_path, then, now, words):
    fit(net(**then), ours.BackupAndRestore(tmp_path), epochs=1)
    with pytest.raises(ValueError, match=words):
        fit(net(**now), ours.BackupAndRestore(tmp_path))


def test_names_that_keras_numbers_and_rates_that_callbacks_set_are_no_difference(tmp_path):
    keras.backend.clear_session()
    halved = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr / 2)
    fit(net(), halved, ours.BackupAndRestore(tmp_path), epochs=1)
    layers.Dense(3)  # takes a number
    history = fit(net(), halved, ours.BackupAndRestore(tmp_path), epochs=2)
    assert history.epoch == [0, 1]


def test_a_run_of_another_optimizer_goes_on_as_far_as_it_fits_if_it_is_asked_to(tmp_path):
    first = net()
    fit(first, ours.BackupAndRestore(tmp_path), epochs=1)
    second = net(optimizer="sgd")
    with pytest.warns(UserWarning, match="the optimizer's state is left out"):
        fit(second, ours.BackupAndRestore(tmp_path, strict=False), epochs=1)
    np.testing.assert_equal(second.get_weights(), first.get_weights())


def test_keras_own_backup_goes_on_at_its_epoch(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "keras", delete_checkpoint=False)
    with pytest.raises(KeyboardInterrupt):
        fit(net(), backup, Stops(), epochs=4)
    model = net()
    assert fit(model, keras.callbacks.BackupAndRestore(tmp_path / "keras"), epochs=4).epoch == [2, 3]
    assert fit(model, epochs=1).epoch == [0]
