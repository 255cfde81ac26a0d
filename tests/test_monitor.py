"""A monitored value: its direction, what counts as better, and names that aren't there."""

import math
import warnings

import pytest

from epochal.core.logs import Logs
from epochal.core.monitored_value import MonitoredValue

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("acc", "max"),
        ("val_acc", "max"),
        ("val_accuracy", "max"),
        ("binary_accuracy", "max"),
        ("val_top_k_categorical_accuracy", "max"),
        ("auc", "max"),
        ("val_AUC", "max"),
        ("precision", "max"),
        ("val_recall", "max"),
        ("f1", "max"),
        ("f1_score", "max"),
        ("fbeta_score", "max"),
        ("val_r2", "max"),
        ("r2_score", "max"),
        ("mean_squared_error", "min"),
        ("val_mae", "min"),
    ],
)
def test_auto_knows_the_direction_by_the_name(name, direction):
    assert MonitoredValue(name).direction == direction


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_given_mode_goes_before_the_name(mode):
    monitor = MonitoredValue("val_acc", mode)
    monitor.start({}, Judge("max" if mode == "min" else "min"))
    assert monitor.direction == mode


class Judge:
    """A model whose metrics know their direction."""

    def __init__(self, direction):
        self.direction = lambda name: direction


@pytest.mark.parametrize(("said", "direction"), [("max", "max"), ("min", "min"), (None, "max")])
def test_a_metric_may_say_its_own_direction(said, direction):
    monitor = MonitoredValue("val_f1_score")
    monitor.start({}, Judge(said))
    assert monitor.direction == direction


@pytest.mark.parametrize("mode", ["maximum", "val_acc", "MIN", None])
def test_any_other_mode_is_an_error(mode):
    with pytest.raises(ValueError, match="mode must be one of auto, min, max; got"):
        MonitoredValue("loss", mode)


@pytest.mark.parametrize(
    ("mode", "min_delta", "values", "better"),
    [
        ("min", 0, [3, 2, 2, NAN, 1], [1, 1, 0, 0, 1]),
        ("max", 0, [1, 2, 1.5, INF, 3], [1, 1, 0, 0, 1]),
        ("min", 0, [NAN, NAN, 5, 6], [0, 0, 1, 0]),
        ("min", 0, [INF, -INF, 5], [0, 0, 1]),
        ("min", 0.5, [3, 2.5, 2.4, 1.8], [1, 0, 1, 1]),
        ("min", -0.5, [3, 2.5, 2.4, 1.8], [1, 0, 1, 1]),
        ("max", 0.5, [1, 1.5, 1.6, 2.2], [1, 0, 1, 1]),
        ("min", 0, [0, 0], [1, 0]),
    ],
)
def test_better_is_better_by_more_than_min_delta(mode, min_delta, values, better):
    monitor = MonitoredValue("loss", mode, min_delta)
    assert [monitor.update(value) for value in values] == [bool(b) for b in better]


def test_the_best_is_never_nan():
    monitor = MonitoredValue("loss")
    monitor.update(NAN)
    assert monitor.best is None
    monitor.update(2.0)
    monitor.update(NAN)
    assert monitor.best == 2.0


def test_a_slow_decline_is_measured_from_the_best():
    monitor = MonitoredValue("loss", min_delta=0.15)
    assert [monitor.update(value) for value in (1.0, 0.9, 0.8, 0.7)] == [True, False, True, False]


# Names that aren't there


def test_a_typo_warns_at_train_begin_with_the_nearest_names():
    monitor = MonitoredValue("val_los", "min")
    with pytest.warns(UserWarning, match=r"the monitored 'val_los' is no metric of this fit\. Did you mean 'val_loss'"):
        monitor.start({"metrics": ["loss", "acc", "val_loss", "val_acc"]})


@pytest.mark.parametrize("params", [{}, {"metrics": None}, {"metrics": ["loss", "val_accuracy"]}])
def test_nothing_is_said_of_a_name_that_is_or_may_be_there(params):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MonitoredValue("val_acc").start(params)


@pytest.mark.parametrize(
    ("validates", "logs"),
    [(False, {"loss": 1.0, "acc": 0.5}), (True, {"loss": 1.0, "acc": 0.5, "val_loss": 1.0, "val_acc": 0.5})],
)
def test_a_name_still_missing_after_a_whole_epoch_is_an_error_that_lists_the_names(validates, logs):
    monitor = MonitoredValue("val_los", "min")
    monitor.start({"do_validation": validates})
    with pytest.raises(ValueError, match=rf"'val_los' is not in the logs: {', '.join(logs)}\. "):
        monitor.value_in(Logs(logs))


def test_an_epoch_without_the_value_counts_for_nothing():
    monitor = MonitoredValue("val_loss")
    monitor.start({"do_validation": True})
    epochs = [{"loss": 1.0}, {}, {"loss": 1.0, "val_loss": 3.0}, {"loss": 1.0}]
    assert [monitor.value_in(Logs(logs)) for logs in epochs] == [None, None, 3.0, None]


def test_acc_and_accuracy_are_monitored_for_each_other():
    monitor = MonitoredValue("val_acc")
    monitor.start({"metrics": ["loss", "val_accuracy"]})
    assert monitor.value_in(Logs({"loss": 1.0, "val_accuracy": 0.5})) == 0.5


# State


def test_a_start_forgets_and_a_state_brings_back():
    monitor, other = MonitoredValue("loss"), MonitoredValue("loss")
    monitor.value_in({"loss": 2.0})
    monitor.update(2.0)
    state = monitor.state_dict()
    monitor.start({})
    assert (monitor.best, monitor.seen) == (None, False)
    other.load_state_dict(state)
    assert (other.best, other.seen) == (2.0, True)
