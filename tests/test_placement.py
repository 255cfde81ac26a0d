"""Where data lie: on the device, in the form that is lightest there."""

import numpy as np
import pytest
from seeded_models import CLASSES, X, Y, compiled, linear

from epochal.engines.jax.devices import ONE_DEVICE
from epochal.engines.jax.placement import fits, one_hot_labels
from epochal.layers import Dense


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (np.eye(3)[[0, 2, 1]], [0, 2, 1]),
        (np.eye(3)[[0, 2, 1]] * 2, None),
        (np.array([[0, 1], [0, 0]]), None),
        (np.array([[0.5, 0.5], [0, 1]]), None),
        (np.array([[1, 1], [0, 0]]), None),
        (np.ones((3, 1)), None),
        (np.arange(3), None),
    ],
)
def test_one_hot_rows_are_found(rows, labels):
    found = one_hot_labels(rows)
    assert found is None if labels is None else found.tolist() == labels


def test_one_hot_labels_train_as_the_user_gave_them():
    options = {"loss": "categorical_crossentropy"}
    models = [compiled(Dense(3, activation="softmax", input_dim=4), **options) for _ in range(2)]
    hot = np.eye(3, dtype=np.float32)[CLASSES]
    soft = hot.copy()
    soft[0] = hot[0] * 0.999998 + 0.000001  # so that they are no longer one-hot
    losses = [
        model.fit(X, y, verbose=0, shuffle=False).history["loss"][0]
        for model, y in zip(models, (hot, soft), strict=True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_memory_mapped_file_is_not_held_on_the_device(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert fits([X, Y], ONE_DEVICE)
    assert not fits([mapped, Y], ONE_DEVICE)
    models = [linear(), linear()]
    for model, x in zip(models, (X, mapped), strict=True):
        model.fit(x, Y, batch_size=8, epochs=2, verbose=0, seed=3)
    np.testing.assert_array_equal(models[0].get_weights()[0], models[1].get_weights()[0])
