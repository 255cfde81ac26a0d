"""Callbacks for every batch of a compiled training: bit for bit what comes of waking them at each batch."""

import numpy as np
import pytest
from following import ACTIONS, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import epochal
from epochal.callbacks import BackupAndRestore, CSVLogger, SwapEMAWeights, TerminateOnNaN
from epochal.core.wakes import ThroughputEstimate
from epochal.layers import BatchNormalization, Dense, Dropout
from epochal.models import Sequential

pytestmark = pytest.mark.usefixtures("optimized")

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(46, 3)).astype(np.float32), RNG.integers(0, 2, size=(46, 1))
BATCHES = [(X[at : at + 4], Y[at : at + 4]) for at in range(0, 46, 4)]  # the last one is smaller
BAD = X.copy()
BAD[25] = np.nan


def arrays(x=X, **options):
    return lambda: {"x": x, "y": Y, "batch_size": 4, "seed": 1} | options


CASES = {
    "arrays": ({}, arrays(), lambda folder: []),
    "validated": ({}, arrays(validation_data=(X[:9], Y[:9])), lambda folder: []),
    "accumulate": ({"accumulate": 2}, arrays(), lambda folder: []),
    "bfloat16": ({"dtype": "bfloat16"}, arrays(), lambda folder: []),
    "averaged": ({}, arrays(), lambda folder: [SwapEMAWeights(0.9)]),
    "nan": ({}, arrays(BAD, shuffle=False), lambda folder: [TerminateOnNaN()]),
    "list": ({}, lambda: {"x": BATCHES}, lambda folder: []),
    "iterator": ({}, lambda: {"x": iter(BATCHES * 2), "steps_per_epoch": 7}, lambda folder: []),
    "nan in a list": ({}, lambda: {"x": [(BAD[i : i + 4], Y[i : i + 4]) for i in range(0, 46, 4)]}, lambda folder: [TerminateOnNaN()]),
    "saved": ({}, arrays(), lambda folder: [BackupAndRestore(folder, save_freq=5)]),
}  # fmt: skip

HOOKS = st.sampled_from(["on_train_batch_begin", "on_train_batch_end"])
PLANS = st.lists(
    st.tuples(HOOKS, st.dictionaries(st.integers(0, 24), st.sampled_from(ACTIONS), max_size=3)), min_size=1, max_size=2
)


@pytest.mark.parametrize("case", CASES)
def test_nobody_can_tell_that_a_span_ran_ahead(case, tmp_path):
    compiled, data, more = CASES[case]
    epochal.set_random_seed(5)
    model = Sequential([Dense(4, input_dim=3, activation="relu"), BatchNormalization(), Dropout(0.2), Dense(1, activation="sigmoid")])  # fmt: skip
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", "auc"], **compiled)
    model.fit(X, Y, batch_size=4, verbose=0)
    engine = model.trainee.runtime.engine
    start, runs = engine.state_dict(), iter(range(10**6))

    def fit(callbacks):
        folder = tmp_path / str(next(runs))
        folder.mkdir()
        log = CSVLogger(folder / "log.csv")
        history = model.fit(**data(), epochs=2, verbose=0, callbacks=[log, *more(folder / "run"), *callbacks])
        return history.history, log.filename.read_bytes()

    def seen(plans, own_cadence):
        engine.load_state_dict(start)
        model.optimizer.lr = 0.001
        return outcome(fit, model, plans, own_cadence)

    @given(PLANS, st.integers(2, 40))
    @settings(max_examples=2 if case == "averaged" else 8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(plans, cut):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ThroughputEstimate, "batches_in", lambda self, seconds: cut)
            ahead = seen(plans, own_cadence=False)
        assert ahead == seen(plans, own_cadence=True)

    check()
