"""A Keras model on several devices: a distribution that is set here, or with `keras.distribution`, is taken over."""

import jax
import numpy as np
import pytest
from distributed import LABELS, X, on

from epochal.core.primary_only import is_primary_only
from epochal.distribution import DataParallel, LayoutMap, ModelParallel

keras = pytest.importorskip("keras", minversion="3.10")
ek = pytest.importorskip("epochal.keras")

pytestmark = pytest.mark.skipif(jax.device_count() < 8, reason="eight devices, which XLA_FLAGS simulates on a CPU")


def two_by_four():
    devices = keras.distribution.list_devices()
    return keras.distribution.DeviceMesh((2, 4), ("batch", "model"), devices)


def of_keras(rules):
    layout_map = keras.distribution.LayoutMap(two_by_four())
    for path, layout in rules.items():
        layout_map[path] = layout
    return keras.distribution.ModelParallel(layout_map=layout_map, batch_dim_name="batch")


def trained():
    """Train a model; return its logs, its weights, its predictions, and how its first kernel and the momentum lie."""
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Dense(16, name="first"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential([keras.Input((8,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    wrapped = ek.Model(model)
    logs = wrapped.fit(X, LABELS, batch_size=16, epochs=2, verbose=0).history
    kernel, momentum = model.layers[0].kernel, model.optimizer.variables[2]
    lie = [{shard.data.shape for shard in variable.value.addressable_shards} for variable in (kernel, momentum)]
    return [*map(np.array, logs.values()), *model.get_weights(), wrapped.predict(X[:16])], lie


@pytest.fixture(scope="module")
def alone():
    return trained()[0]


@pytest.fixture
def let_keras():
    """Return `keras.distribution.set_distribution`, and undo it afterwards."""
    yield keras.distribution.set_distribution
    keras.distribution.set_distribution(None)


def close(found, alone):
    return [np.testing.assert_allclose(a, b, rtol=0, atol=5e-6) for a, b in zip(found, alone, strict=True)]


def test_on_a_distribution_of_this_package(alone):
    with on(DataParallel()):
        found, lie = trained()
    close(found, alone)
    assert lie == [{(8, 16)}] * 2
    with on(ModelParallel(LayoutMap({"first/kernel": ("batch",)}), {"batch": 8})):
        found, lie = trained()
    close(found, alone)
    assert lie == [{(1, 16)}] * 2


def test_on_a_distribution_of_keras(alone, let_keras):
    let_keras(of_keras({".*first/kernel": (None, "model")}))
    found, lie = trained()
    close(found, alone)
    assert lie == [{(8, 4)}] * 2


def test_what_can_not_be_right(let_keras):
    let_keras(of_keras({"first/kernel": (None, "model")}))  # Keras compares whole paths, and says nothing
    with pytest.raises(
        ValueError, match="rules for no variable: 'first/kernel'; .* whole path. .* sequential.*/first/kernel"
    ):
        trained()
    with (
        on(DataParallel()),
        pytest.raises(ValueError, match="epochal.distribution has set <DataParallel on 8 .*, and keras"),
    ):
        trained()


def test_of_keras_callbacks_those_that_write_are_the_primarys(tmp_path):
    callbacks = keras.callbacks
    assert is_primary_only(callbacks.CSVLogger(tmp_path / "log.csv"))
    assert is_primary_only(callbacks.ModelCheckpoint(tmp_path / "model.keras"))
    assert not is_primary_only(callbacks.EarlyStopping())
    with pytest.raises(ValueError, match=r"knows one process only: use epochal.callbacks.BackupAndRestore"):
        is_primary_only(callbacks.BackupAndRestore(str(tmp_path / "run")))
