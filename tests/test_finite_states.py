"""A state that isn't finite never replaces one that is."""

import numpy as np
import pytest
from interrupted import Fails, train
from killed_runs import newest
from numpy_engine import NumpyEngine, X, Y

from epochal.callbacks import TerminateOnNaN
from epochal.data.array_data import ArrayData
from epochal.storage import generation


class Breaks(NumpyEngine):
    """Gets weights that aren't finite at one batch of the run."""

    at = 7
    done = 0

    def train(self, span, stop_when_not_finite, behind=None):
        result = super().train(span, stop_when_not_finite)
        self.done += result.count()
        if self.done >= self.at:
            self.model.weights[:] = np.nan
        return result


def test_a_state_that_is_not_finite_never_replaces_one_that_is(tmp_path):
    with pytest.warns(
        UserWarning, match=r"weights aren't finite: .*run/ keeps the last state in which they were"
    ) as caught:
        train(tmp_path, save_freq=1, engine=Breaks)
    assert len(caught) == 1
    saved = generation.read(newest(tmp_path))
    assert (saved["epoch"], saved["batch"], saved["end"]) == (1, 3, None)
    assert np.isfinite(saved["engine"]["arrays"]["params/weights"]).all()


@pytest.mark.filterwarnings("ignore:weights aren't finite")
def test_a_run_that_terminate_on_nan_ended_is_not_finished(tmp_path):
    data = lambda: ArrayData(X, np.where(np.arange(10) == 9, np.nan, Y), batch_size=4)
    train(tmp_path, save_freq=1, data=data(), more=[TerminateOnNaN()])
    saved = generation.read(newest(tmp_path))
    assert (saved["epoch"], saved["batch"], saved["end"]) == (0, 2, None)


class Infinite(NumpyEngine):
    """Logs an infinite loss at the end of the first epoch, whatever the weights."""

    def train(self, span, stop_when_not_finite, behind=None):
        result = super().train(span, stop_when_not_finite)
        if sum(self.spans) == 3:
            result.rows()[-1][0] = np.inf
        return result


@pytest.mark.parametrize("fails", [None, Fails(hook="on_train_end")])
def test_nor_if_its_weights_are_still_finite_and_it_was_killed_before_the_end(tmp_path, spans_of, fails):
    spans_of(1)
    train(tmp_path, save_freq="epoch", engine=Infinite, more=[TerminateOnNaN()], fails=fails)
    train(tmp_path, save_freq="epoch", engine=NumpyEngine, more=[TerminateOnNaN()])
    assert not generation.read(newest(tmp_path))["end"]
