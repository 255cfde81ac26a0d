"""Logs: their keys are there at once, their values come to the host when they are read."""

import copy
import json
import pickle

import numpy as np
import pytest

from epochal.core import logs as module
from epochal.core.logs import ByName, Logs, other_name

VALUES = {"batch": 3, "size": 32, "loss": 0.5, "acc": 0.25}


@pytest.fixture
def fetched():
    """Return a list that gets an entry at each fetch."""
    return []


@pytest.fixture
def logs(fetched):
    """Return logs of which loss and acc are still to be fetched."""

    def fetch():
        fetched.append("fetch")
        return [0.5, 0.25]

    return Logs({"batch": 3, "size": 32}, ["loss", "acc"], fetch)


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (list, ["batch", "size", "loss", "acc"]),
        (lambda logs: list(logs.keys()), ["batch", "size", "loss", "acc"]),
        (len, 4),
        (bool, True),
        (lambda logs: "loss" in logs, True),
        (lambda logs: "val_loss" in logs, False),
        (lambda logs: logs["size"], 32),
        (lambda logs: logs.get("val_loss"), None),
    ],
)
def test_looking_at_keys_fetches_nothing(logs, fetched, use, wanted):
    assert use(logs) == wanted
    assert fetched == []


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (lambda logs: logs["loss"], 0.5),
        (lambda logs: logs.get("loss"), 0.5),
        (dict, VALUES),
        (lambda logs: {**logs}, VALUES),
        (lambda logs: dict(logs.items()), VALUES),
        (lambda logs: list(logs.values()), list(VALUES.values())),
        (lambda logs: logs.copy(), VALUES),
        (copy.copy, VALUES),
        (copy.deepcopy, VALUES),
        (lambda logs: pickle.loads(pickle.dumps(logs)), VALUES),
        (lambda logs: json.loads(json.dumps(logs)), VALUES),
        (lambda logs: logs | {"lr": 1}, {**VALUES, "lr": 1}),
        (lambda logs: {"lr": 1} | logs, {"lr": 1, **VALUES}),
        (lambda logs: {"lr": 1, **logs}, {"lr": 1, **VALUES}),
        (lambda logs: logs.pop("loss"), 0.5),
        (lambda logs: logs.popitem(), ("acc", 0.25)),
        (lambda logs: logs.setdefault("loss", 7), 0.5),
        (lambda logs: "{loss:.2f} {acc}".format(**logs), "0.50 0.25"),
        (lambda logs: "{loss:.2f} {accuracy}".format_map(logs), "0.50 0.25"),
        (repr, repr(VALUES)),
        (lambda logs: logs == VALUES, True),
        (lambda logs: logs != VALUES, False),
        (lambda logs: VALUES == logs, True),  # noqa: SIM300
        (lambda logs: VALUES != logs, False),  # noqa: SIM300
        (lambda logs: [value for _, value in reversed(logs.items())], [0.25, 0.5, 32, 3]),
    ],
)
def test_reading_values_fetches_them_once(logs, fetched, use, wanted):
    assert use(logs) == wanted
    assert logs.get("loss", 0.5) == 0.5
    assert fetched == ["fetch"]


def test_into_another_dict_go_fetched_values(logs):
    other = {"loss": 1.0}
    other.update(logs)
    assert other == VALUES
    assert type(other["loss"]) is float


def test_what_a_hook_wrote_or_removed_before_the_fetch_stays(logs):
    logs["loss"] = 7
    logs |= {"lr": 0.1}
    del logs["acc"]
    assert dict(logs) == {"batch": 3, "size": 32, "loss": 7, "lr": 0.1}


def test_a_copy_is_independent(logs):
    other = logs.copy()
    other["loss"] = 9
    assert logs["loss"] == 0.5
    assert type(other) is type(logs | {}) is Logs


def test_a_missing_name_is_a_key_error_that_lists_the_names(logs):
    with pytest.raises(KeyError, match="'val_los' is not there; there are: batch, size, loss, acc"):
        logs["val_los"]
    with pytest.raises(KeyError, match="val_los"):
        logs.pop("val_los")
    assert logs.pop("val_los", None) is None


def test_scalar_arrays_in_given_logs_are_fetched_when_read(fetches):
    logs = Logs.of({"loss": np.array(0.5, np.float32), "note": "text", "table": np.ones(2)})
    assert (list(logs), fetches) == (["loss", "note", "table"], [])
    assert type(logs["loss"]) is float
    assert len(fetches) == 1
    assert Logs.of(logs) is logs


def test_every_fetch_goes_through_one_function():
    assert module.fetch([1.0]).tolist() == [1.0]


# acc and accuracy


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("acc", "accuracy"),
        ("accuracy", "acc"),
        ("val_acc", "val_accuracy"),
        ("val_out_accuracy", "val_out_acc"),
        ("loss", None),
        ("myacc", None),
        ("accuracy_1", None),
        (3, None),
    ],
)
def test_the_other_name(name, other):
    assert other_name(name) == other


@pytest.mark.parametrize("there", ["acc", "accuracy", "val_acc", "val_accuracy"])
def test_acc_and_accuracy_are_looked_up_for_each_other(there):
    other = other_name(there)
    for logs in (Logs({there: 0.5}), ByName({there: 0.5}), Logs({}, [there], lambda: [0.5])):
        assert (logs[other], logs.get(other), other in logs, list(logs)) == (0.5, 0.5, True, [there])
    assert Logs({there: 0.5}).setdefault(other, 1.0) == 0.5


def test_where_both_names_are_there_each_is_itself():
    assert Logs({"acc": 1.0, "accuracy": 2.0})["acc"] == 1.0
    assert Logs({"acc": 1.0, "accuracy": 2.0})["accuracy"] == 2.0
