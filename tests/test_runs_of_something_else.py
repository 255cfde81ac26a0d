"""A saved run of something else is refused, and what has changed is listed."""

import pytest
from interrupted import Fails, shuffled, train
from killed_runs import newest
from numpy_engine import NumpyEngine, Recorder, X, Y, fit
from streams import Numbers, stream

from epochal.callbacks import BackupAndRestore
from epochal.data.array_data import ArrayData

OTHER_OPTIMIZER = type(
    "Other", (NumpyEngine,), {"identity": lambda self: {"optimizer": {"name": "adam"}, "weights": 2}}
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": shuffled(7, batch_size=5)}, r"  data\.batch_size: 4 then, 5 now\n  data\.steps: 3 then, 2 now\n"),
        ({"data": ArrayData(X[:9], Y[:9], batch_size=4, shuffle=True, seed=7)}, r"  data\.samples: 10 then, 9 now\n"),
        ({"seed": 8}, r"  data\.seed: 7 then, 8 now\n"),
        ({"data": ArrayData(X, Y, batch_size=4)}, r"  data\.shuffle: True then, False now\n"),
        (
            {"data": stream(Numbers(), 3)},
            r"  data\.batch_size: 4 then, nothing now\n  data\.data: nothing then, generator now\n(.*\n)*",
        ),
        ({"engine": OTHER_OPTIMIZER}, r"  engine\.optimizer\.name: nothing then, adam now\n"),
    ],
)
def test_a_run_of_something_else_is_refused_and_the_differences_are_listed(tmp_path, change, message):
    train(tmp_path, fails=Fails(5))
    before = newest(tmp_path).read_bytes()
    with pytest.raises(
        ValueError, match=r"holds a run of something else:\n" + message + r"Delete it to start afresh, or"
    ):
        train(tmp_path, **change)
    assert newest(tmp_path).read_bytes() == before


def test_a_seed_that_is_not_given_fits_any_run(tmp_path):
    whole = train(tmp_path / "whole")
    train(tmp_path / "x", fails=Fails(5))
    assert train(tmp_path / "x", seed=None) == whole


def test_not_strict_it_goes_on_all_the_same(tmp_path):
    fit([BackupAndRestore(tmp_path)], epochs=2, data=shuffled(7))
    recorder = Recorder()
    fit([BackupAndRestore(tmp_path, strict=False), recorder], epochs=4, data=shuffled(7, batch_size=5))
    assert recorder.batches("on_epoch_begin") == [2, 3]
    assert recorder.batches("on_train_batch_end") == [0, 1, 0, 1]
