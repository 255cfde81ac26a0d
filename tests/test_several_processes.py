"""Two processes fit as one does; what they can't do alike is an error in both, and never a wait without end."""

import csv
import json

import numpy as np
import pytest
from distributed import BATCH, CLOSE, LABELS, X, on_one_device, without_momentum
from processes import run

from epochal import set_random_seed

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return for each process what it has printed, by situation, and its whole outcome; and their folder."""
    folder = tmp_path_factory.mktemp("several")
    ended = run("several.py", folder, limit=100)
    lines = [[json.loads(line) for line in outcome.output.splitlines() if line.startswith('["')] for outcome in ended]
    return [dict(each) for each in lines], ended, folder


@pytest.fixture(scope="module")
def found(outcomes):
    """Return a function that returns what both processes have found in a situation, which must be the same."""

    def both(name):
        first, second = (each[name] for each in outcomes[0])
        same = [{k: v for k, v in each.items() if k not in ("seen", "looks")} for each in (first, second)]
        assert json.dumps(same[0]) == json.dumps(same[1])
        return first, second

    return both


def close_to_one_device(logs, weights, kind):
    expected_logs, expected_weights, _ = on_one_device(kind, True)
    for name, values in logs.items():
        np.testing.assert_allclose(values, expected_logs[name], rtol=0, atol=CLOSE)
    np.testing.assert_allclose(weights, np.concatenate([w.ravel() for w in expected_weights]), rtol=0, atol=CLOSE)


@pytest.mark.parametrize(
    "name", ["plain", "the_second_is_slower", "the_second_looks_amid_an_epoch", "weights_in_parts"]
)
def test_they_train_as_one_does(found, name):
    result, _ = found(name)
    kind = "dense" if name == "weights_in_parts" else "without momentum"
    close_to_one_device(result["logs"], result["weights"], kind)


def test_they_evaluate_and_predict_as_one_does(found):
    result, _ = found("plain")
    np.testing.assert_allclose(result["predicted"], on_one_device("without momentum", True)[2], rtol=0, atol=CLOSE)
    assert found("weights_in_parts")[0]["shard"] == [4, 16]


def test_the_wish_to_stop_of_one_ends_all_after_the_same_batch(found):
    first, second = found("the_second_stops_amid_an_epoch")
    assert first["logs"]["loss"] == second["logs"]["loss"]
    assert second["seen"] == [5]


def test_a_look_in_one_process_is_at_its_batch_and_calls_no_hook_twice(found):
    first, second = found("the_second_looks_amid_an_epoch")
    assert first["seen"][0] == second["seen"][0] == 12  # and the callback by the second is woken where it is, or before
    assert (len(first["looks"]), len(second["looks"])) == (0, 1)


def test_hooks_by_the_second_are_called_at_the_same_batches(found):
    first, second = found("a_hook_by_the_second_reads_weights")
    assert first["seen"] == second["seen"]
    assert 0 < first["seen"][0] < 72


def test_files_are_the_primarys(found, outcomes):
    first, second = found("only_the_primary_looks_and_writes")
    assert (first["seen"], second["seen"]) == ([12], [0])
    folder = outcomes[2]
    with open(folder / "log.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    assert sorted(path.name for path in folder.iterdir()) == ["board", "log.csv", "weights-1.h5", "weights-2.h5"]
    assert len(list(folder.glob("board/**/*tfevents*"))) == 3  # of the fit, of training and of validation


def test_each_gives_its_part_of_a_stream(found):
    result, _ = found("each_gives_its_part_of_every_batch")
    assert result["sizes"] == [16, 16, 16, 16, 16, 4] * 2
    ordered = in_order()
    np.testing.assert_allclose(result["logs"]["loss"], ordered[0], rtol=0, atol=CLOSE)
    np.testing.assert_allclose(result["weights"], ordered[1], rtol=0, atol=CLOSE)


def in_order():
    """Train on one device, in the order in which samples lie; return the losses and the weights."""
    set_random_seed(3)
    model = without_momentum()
    logs = model.fit(X, LABELS, batch_size=BATCH, epochs=2, verbose=0, shuffle=False).history
    return logs["loss"], np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("seeds_differ", "learning rate of process 1 aren't those of the primary at the beginning: .* the same seed"),
        ("epochs_and_data_differ", "don't train the same:\n  data.content.x: .*\n  epochs: 2 on process 0, 3 on process 1"),
        ("the_second_sets_a_weight_alone", "of process 1 aren't those of the primary at the end of epoch 1"),
        ("the_primary_evaluates_alone", "process 0 is looking for space for the data; process 1 is at the end of epoch 1"),
        ("the_primary_reads_weights_in_parts_alone", "do different things: process 0 is reading weights that lie in parts"),
        ("the_second_has_fewer_batches", "data.steps: 5 on process 0, 4 on process 1"),
        ("the_second_has_smaller_batches", r"epoch 1 on process 1 has batches of float32\[7, 8\], .* process 0 of float32\[8"),
        ("nothing_says_how_they_work_together", r"joined 2 processes, .* alone: call distribution.set_distribution\(Data"),
        ("a_mesh_that_leaves_a_process_out", "the mesh has no device of process 1: every process must have some"),
    ],
)  # fmt: skip
def test_what_they_do_not_do_alike_is_an_error_in_both(outcomes, name, says):
    for each in outcomes[0]:
        with pytest.raises(AssertionError, match=says):
            raise AssertionError(each[name])


def test_what_a_callback_of_the_primary_can_not_do_is_refused_by_name(outcomes):
    primary, second = outcomes[1]
    assert (primary.code, second.code) == (1, 1)
    refused = (
        "RuntimeError: to evaluate, to predict or to train on a batch takes all processes, and Hook.on_train_batch_end"
    )
    assert refused in primary.output
    assert "RuntimeError: process 0 ended: RuntimeError: to evaluate" in second.output
