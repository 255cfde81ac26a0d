"""Snapshots of a model, which are written while its training goes on."""

import threading

import numpy as np
from classifiers import classifier, fit, trained
from comparing import same

from epochal.callbacks import ModelCheckpoint
from epochal.models import load_model


def test_a_snapshot_is_of_its_moment_and_may_be_written_while_training_goes_on(tmp_path):
    model = trained(classifier())
    then, snapshot = model.get_weights(), model.snapshot()
    writer = threading.Thread(target=snapshot.save, args=(tmp_path / "m.h5",))
    writer.start()
    fit(model, 3)
    writer.join()
    assert same(load_model(tmp_path / "m.h5").get_weights(), then)


def test_a_snapshot_uses_the_memory_of_an_older_one(tmp_path):
    model = trained(classifier())
    first = model.snapshot()
    places = [array.ctypes.data for array in first.arrays]
    fit(model)
    second = model.snapshot(reuse=first)
    assert [array.ctypes.data for array in second.arrays] == places
    assert same([a for layer in second.layers for a in layer.arrays.values()], model.get_weights())
    assert second.nbytes == sum(array.nbytes for array in second.arrays)


def test_an_older_snapshot_of_other_shapes_is_left_alone():
    old = classifier(units=5).snapshot()
    before = [array.copy() for array in old.arrays]
    new = classifier().snapshot(reuse=old)
    assert new.layers[0].arrays["kernel"].shape == (3, 4)
    assert [a.shape for a in old.arrays] == [a.shape for a in before]


def test_a_checkpoint_is_a_model_to_go_on_with(tmp_path):
    model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.ones((8, 3), "float32"), np.arange(8) % 2
    model.fit(x, y, verbose=0, epochs=2, callbacks=[ModelCheckpoint(tmp_path / "m.{epoch}.h5")])
    model.fit(x, y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "w.weights.h5", save_weights_only=True)])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.1.h5", "m.2.h5", "w.weights.h5"]
    load_model(tmp_path / "m.2.h5").load_weights(tmp_path / "w.weights.h5")
