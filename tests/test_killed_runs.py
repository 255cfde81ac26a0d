"""Runs in processes that are killed: they end bit for bit as if they had not been."""

import pytest
from killed_runs import newest, outcome

from epochal.storage import generation


@pytest.mark.parametrize(
    ("save_freq", "deaths", "begun"),
    [
        (10, [(9, 9), (9, 23), (9, 45)], [0, 0, 20, 40]),  # before the first save; twice in mid-epoch
        (1, [(9, 31)], [0, 30]),  # after an epoch's last batch and its validation: 15 batches make one
        ("epoch", [(9, 16), (9, 50)], [0, 15, 45]),
    ],
)
def test_killed_anywhere_it_ends_as_if_it_had_not_been(forks, golden, tmp_path, save_freq, deaths, begun):
    for death in deaths:
        assert forks.run(tmp_path, save_freq=save_freq, die=death) == -9
    assert forks.run(tmp_path, save_freq=save_freq) == 0
    assert [int(n) for n in (tmp_path / "begun").read_text().split()] == begun
    assert outcome(tmp_path) == golden()


def test_killed_within_a_span_that_has_run_ahead_of_hooks_it_ends_as_if_it_had_not_been(forks, golden, tmp_path):
    for death in [(9, 7), (9, 24), (15, 38)]:
        assert forks.run(tmp_path, die=death, follows=True) == -death[0]
    assert forks.run(tmp_path, follows=True) == 0
    assert [int(n) for n in (tmp_path / "begun").read_text().split()] == [0, 0, 20, 38]  # SIGTERM saves at its batch
    assert outcome(tmp_path) == golden()


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_test_begin", "on_epoch_end", "on_train_end"])
def test_killed_between_batches_it_ends_as_if_it_had_not_been(forks, golden, tmp_path, hook):
    assert forks.run(tmp_path, die=[9, 1], die_at=hook) == -9
    assert forks.run(tmp_path) == 0
    assert outcome(tmp_path) == golden()


def test_saved_by_the_clock_it_ends_as_if_it_had_not_been(forks, golden, tmp_path):
    assert forks.run(tmp_path, seconds=1e-6, die=[9, 40]) == -9
    assert forks.run(tmp_path, seconds=1e-6) == 0
    assert int((tmp_path / "begun").read_text().split()[-1]) > 0
    assert outcome(tmp_path) == golden()


def test_without_a_seed_the_one_that_was_drawn_is_part_of_the_run(forks, tmp_path):
    killed, free = tmp_path / "killed", tmp_path / "free"
    assert forks.run(killed, seed=None, die=[9, 23]) == -9
    saved = generation.read(newest(killed))
    assert forks.run(killed, seed=None) == 0
    assert forks.run(free, seed=None) == 0
    ended = generation.read(newest(killed))
    assert saved["data"]["seed"] == ended["data"]["seed"] != generation.read(newest(free))["data"]["seed"]
    weights = [generation.read(folder / "weights")["weights"][0].tolist() for folder in (killed, free)]
    assert weights[0] != weights[1]


def test_averaged_weights_go_on_too(forks, golden, tmp_path):
    assert forks.run(tmp_path, ema=True, die=[9, 23]) == -9
    assert forks.run(tmp_path, ema=True) == 0
    assert outcome(tmp_path) == golden(ema=True) != golden()


def test_raised_epochs_go_on_as_if_there_had_been_more_from_the_start(forks, golden, tmp_path):
    assert forks.run(tmp_path, epochs=2) == 0
    assert forks.run(tmp_path) == 0
    assert (tmp_path / "begun").read_text().split() == ["0", "30"]
    assert outcome(tmp_path) == golden()


@pytest.mark.parametrize(
    ("mutant", "death", "changed"),
    [
        ("random streams", 23, {"log.csv", "engine"}),
        ("EarlyStopping", 50, {"result.json", "weights"}),
        ("CSV", 18, {"log.csv"}),
        (None, 50, set()),
    ],
)
def test_a_saved_run_that_leaves_something_out_is_found_out(forks, golden, tmp_path, mutant, death, changed):
    assert forks.run(tmp_path, die=[9, death], mutant=mutant) == -9
    assert forks.run(tmp_path, mutant=mutant) == 0
    whole = golden()
    assert {name for name, digest in outcome(tmp_path).items() if whole[name] != digest} >= changed
    assert bool(changed) == (outcome(tmp_path) != whole)
