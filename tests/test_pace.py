"""How fast batches are, where some of the time was spent on compiling."""

import time

import numpy as np
import pytest

from epochal.layers import Dense
from epochal.messages.progress import close_bar, compiling, open_bar
from epochal.models import Sequential
from epochal.screens.pace import Pace


@pytest.mark.parametrize(
    ("first_look", "expected"),
    [
        ((1, 3.5), (5.5 - 3.5) / 9),  # by which the device has just begun
        ((9, 5.4), (5.5 - 3.0) / 10),  # hardly anything is left to measure: all counts but the compiling
    ],
)
def test_what_compiles_is_no_part_of_a_batchs_time(monkeypatch, first_look, expected):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    pace = Pace(10)
    with compiling():
        now[0] = 3.0
    done, now[0] = first_look
    pace.reach(done)
    now[0] = 5.5
    pace.end()
    assert pace.seconds_a_batch() == pytest.approx(expected)
    assert pace.seconds == 5.5


def test_only_the_first_fit_is_told_to_compile():
    class Bar:
        told = 0

        def compiling(self):
            self.told += 1

    model, bar = Sequential([Dense(1, input_dim=2)]), Bar()
    model.compile("sgd", "mse")
    x, y, told = np.ones((8, 2)), np.ones(8), []
    open_bar(bar)
    try:
        for _ in range(2):
            model.fit(x, y, batch_size=4, epochs=2, verbose=0)
            told.append(bar.told)
    finally:
        close_bar(bar)
    assert told[0] == told[1] > 0
