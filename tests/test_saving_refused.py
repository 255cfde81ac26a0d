"""What a model's file can't hold or doesn't hold: errors say where, and change nothing."""

import pytest
from classifiers import classifier
from comparing import same

from epochal.layers import Dense, Input
from epochal.models import Sequential, load_model


@pytest.mark.parametrize("name", ["m.txt", "m", "m.keras", "m.h5.tmp"])
def test_an_unknown_suffix_is_an_error_that_lists_the_known_ones(tmp_path, name):
    for write in (classifier().save, classifier().save_weights):
        with pytest.raises(ValueError, match=r"ends in \.h5 or \.hdf5, weights alone also in \.weights\.h5"):
            write(tmp_path / name)


def test_a_weights_file_can_not_hold_a_whole_model(tmp_path):
    with pytest.raises(ValueError, match="holds weights only: use save_weights"):
        classifier().save(tmp_path / "m.weights.h5")


def test_missing_folders_are_made(tmp_path):
    classifier().save(tmp_path / "a" / "b" / "m.h5")
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["m.h5"]


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
@pytest.mark.parametrize(
    ("make", "which"),
    [
        (lambda: classifier(units=5), r"layer 'dense': its kernel has shape \(3, 4\); .* has \(3, 5\)"),
        (
            lambda: classifier(Dense(4)),
            r"no layer in the model|has layers that the model hasn't: layers/dense_2|first that differs",
        ),
        (
            lambda: Sequential([Input((3,)), Dense(4), Dense(2, use_bias=False)]),
            r"layer 'dense_1' has 2 weights \(kernel, bias\).* 1",
        ),
    ],
)
def test_weights_of_another_architecture_change_nothing_and_the_error_says_where(tmp_path, name, make, which):
    make().save_weights(tmp_path / name)
    model = classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match=which):
        model.load_weights(tmp_path / name)
    assert same(model.get_weights(), before)


def test_a_missing_layer_names_what_is_there(tmp_path):
    Sequential([Input((3,)), Dense(4)]).save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(
        ValueError, match=r"'dense_1' should be at 'layers/dense_1', which is missing. Did you mean 'layers/dense'"
    ):
        classifier().load_weights(tmp_path / "w.weights.h5")


def test_the_number_of_layers_and_the_first_that_differs_are_said(tmp_path):
    classifier(Dense(4), Dense(6)).save_weights(tmp_path / "w.h5")
    what = r"2 layers with weights, the file 4.*'dense_1' with shapes \(4, 2\), \(2,\) in the model, .* \(4, 4\), \(4,\) in the"
    with pytest.raises(ValueError, match=what):
        classifier().load_weights(tmp_path / "w.h5")


def test_a_model_without_weights_yet_says_so(tmp_path):
    for use in ("save", "save_weights", "load_weights"):
        with pytest.raises(ValueError, match="isn't built"):
            getattr(Sequential([Dense(2)]), use)(tmp_path / "m.h5")


def test_load_model_of_weights_alone_says_what_to_do(tmp_path):
    classifier().save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="holds weights only: build the model and use load_weights"):
        load_model(tmp_path / "w.h5")


def test_a_file_that_is_not_there_is_a_file_not_found_error(tmp_path):
    for read in (load_model, classifier().load_weights):
        with pytest.raises(FileNotFoundError, match=r"no file .*gone\.h5"):
            read(tmp_path / "gone.h5")


def test_a_failed_save_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    model = classifier()
    model.save_weights(tmp_path / "w.h5")
    before = (tmp_path / "w.h5").read_bytes()
    monkeypatch.setattr(
        "epochal.saving.keras_h5._write_names", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OSError, match=r"could not write .*w\.h5: No space left.*bytes were needed"):
        model.save_weights(tmp_path / "w.h5")
    assert (tmp_path / "w.h5").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w.h5"]
