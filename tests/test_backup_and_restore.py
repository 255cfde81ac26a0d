"""Runs that are killed and go on as if they had never been."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from killed_runs import newest, outcome
from numpy_engine import Model, NumpyEngine, Recorder, X, Y, fit

from epochal.callbacks import BackupAndRestore, Callback, CSVLogger, EarlyStopping, Every, History, TerminateOnNaN
from epochal.data.array_data import ArrayData
from epochal.data.inputs import from_batches
from epochal.storage import generation


class Stop(Exception):
    """Stands for what ends a process."""


class Fails(Callback):
    """Raises after so many batches, counted in all epochs, or in a hook; what was saved before is on the disk then."""

    def __init__(self, batch=None, hook="on_train_batch_end"):
        self.cadence = Every(batch or 1, "batch")
        setattr(self, hook, self._fail)

    def _fail(self, *arguments):
        raise Stop

    def state_dict(self):
        return {}


class Diary(Callback):
    """A user's callback that remembers the loss of every batch."""

    replay = True

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = list(state["losses"])


def shuffled(seed=None, **options):
    return ArrayData(X, Y, shuffle=True, seed=seed, **{"batch_size": 4} | options)


def train(folder, epochs=4, fails=None, save_freq=2, data=None, more=(), seed=7, **options):
    """Return the weights and everything that a run remembers; None if it `fails`."""
    folder.mkdir(exist_ok=True)
    model, diary, history = Model(), Diary(), History()
    backup = BackupAndRestore(folder / "run", save_freq)
    callbacks = [diary, CSVLogger(folder / "log.csv"), backup, history, *more, *([fails] if fails else [])]
    try:
        fit(callbacks, epochs, model=model, data=data or shuffled(seed), **options)
    except Stop:
        return None
    return model.weights.tolist(), diary.losses, history.history, (folder / "log.csv").read_bytes()


# Bit for bit, in processes that are killed


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


# What happens when


def test_hooks_come_before_states_and_an_epoch_begins_once(tmp_path):
    train(tmp_path, fails=Fails(5))
    recorder = Recorder()
    recorder.load_state_dict = lambda state: recorder.calls.append(("load_state_dict",))
    recorder.set_model = lambda model: recorder.calls.append(("set_model",))
    recorder.set_params = lambda params: recorder.calls.append(("set_params",))
    recorder.state_dict = lambda: {"x": 1}
    train(tmp_path / "other", fails=Fails(5), more=[recorder])
    recorder.calls.clear()
    train(tmp_path / "other", epochs=3, more=[recorder])
    names = [name for name in recorder.names() if "batch" not in name]
    assert names[:5] == ["set_params", "set_model", "on_train_begin", "load_state_dict", "on_epoch_end"]
    assert recorder.batches("on_epoch_begin") == [2]
    assert recorder.batches("on_train_batch_end") == [1, 2, 0, 1, 2]


def test_nothing_is_cut_off_before_the_states_are_restored(tmp_path):
    train(tmp_path, fails=Fails(5))
    before = (tmp_path / "log.csv").read_bytes()
    train(tmp_path, fails=Fails(hook="on_train_begin"))
    assert (tmp_path / "log.csv").read_bytes() == before != b""


@pytest.mark.parametrize("batch", range(1, 12))
def test_a_run_that_failed_at_any_batch_goes_on_bit_for_bit(tmp_path, batch):
    whole = train(tmp_path / "whole")
    assert train(tmp_path / "failed", fails=Fails(batch)) is None
    assert train(tmp_path / "failed") == whole


class Adds(Callback):
    """Puts a number into the epoch logs that counts epochs."""

    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        logs["epochs"] = self.epochs

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state):
        self.epochs = state["epochs"]


@pytest.mark.parametrize("first", [True, False])
def test_a_save_is_taken_after_the_last_hook_of_its_moment(tmp_path, first):
    backup, adds, recorder = BackupAndRestore(tmp_path), Adds(), Recorder()
    recorder.is_sink = True
    recorder.state_dict = lambda: {"calls": len(recorder.calls)}
    fit([backup, adds, recorder] if first else [adds, recorder, backup], epochs=1)
    saved = generation.read(max(tmp_path.glob("*.run")))["callbacks"]
    assert saved["Adds/0"] == {"epochs": 1}
    assert saved["Recorder/0"] == {"calls": len(recorder.calls) - 1}  # all but on_train_end
    assert saved["History/0"]["history"]["epochs"] == [1]


def test_on_train_end_gets_the_last_epochs_logs_also_if_the_run_was_killed_before_it(tmp_path):
    whole, resumed = Recorder(), Recorder()
    train(tmp_path / "whole", more=[whole])
    train(tmp_path / "killed", fails=Fails(hook="on_train_end"))
    train(tmp_path / "killed", more=[resumed])
    assert resumed.logs("on_train_end") == whole.logs("on_train_end") != [{}]


def test_a_wish_to_stop_survives_a_kill_before_the_end(tmp_path):
    stopping = {"logged": {"val": [1.0, 2.0, 3.0, 4.0]}, "save_freq": "epoch"}
    whole = train(tmp_path / "whole", more=[EarlyStopping("val", mode="min", patience=1)], **stopping)
    assert len(whole[2]["loss"]) == 2
    train(
        tmp_path / "x",
        fails=Fails(hook="on_train_end"),
        more=[EarlyStopping("val", mode="min", patience=1)],
        **stopping,
    )
    recorder = Recorder()
    assert train(tmp_path / "x", more=[EarlyStopping("val", mode="min", patience=1), recorder], **stopping) == whole
    assert recorder.names() == ["on_train_begin", "on_train_end"]


# Finite states


class Breaks(NumpyEngine):
    """Gets weights that aren't finite at one batch of the run."""

    at = 7
    done = 0

    def train(self, span, stop_when_not_finite):
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
    assert (saved["epoch"], saved["batch"], saved["finished"]) == (1, 3, False)
    assert np.isfinite(saved["engine"]["arrays"]["params/weights"]).all()


@pytest.mark.filterwarnings("ignore:weights aren't finite")
def test_a_run_that_terminate_on_nan_ended_is_not_finished(tmp_path):
    data = lambda: ArrayData(X, np.where(np.arange(10) == 9, np.nan, Y), batch_size=4)
    train(tmp_path, save_freq=1, data=data(), more=[TerminateOnNaN()])
    saved = generation.read(newest(tmp_path))
    assert (saved["epoch"], saved["batch"], saved["finished"]) == (0, 2, False)


class Infinite(NumpyEngine):
    """Logs an infinite loss at the end of the first epoch, whatever the weights."""

    def train(self, span, stop_when_not_finite):
        result = super().train(span, stop_when_not_finite)
        if sum(self.spans) == 3:
            result.rows()[-1][0] = np.inf
        return result


@pytest.mark.parametrize("fails", [None, Fails(hook="on_train_end")])
def test_nor_if_its_weights_are_still_finite_and_it_was_killed_before_the_end(tmp_path, spans_of, fails):
    spans_of(1)
    train(tmp_path, save_freq="epoch", engine=Infinite, more=[TerminateOnNaN()], fails=fails)
    train(tmp_path, save_freq="epoch", engine=NumpyEngine, more=[TerminateOnNaN()])
    assert not generation.read(newest(tmp_path))["finished"]


# Finished runs


def test_a_finished_run_gives_back_what_it_ended_with_and_calls_no_hook(tmp_path, capsys):
    whole = train(tmp_path)
    recorder = Recorder()
    assert train(tmp_path, more=[recorder]) == whole
    assert recorder.calls == []
    assert capsys.readouterr().out == f"{tmp_path}/run/ is finished (4 epochs); raise epochs or delete it to train.\n"


def test_a_finished_run_touches_no_file(tmp_path):
    train(tmp_path)
    looks = lambda: {
        p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in tmp_path.rglob("*") if p.suffix in (".csv", ".run")
    }
    before = looks()
    train(tmp_path)
    assert looks() == before


def test_what_on_train_end_did_is_given_back_but_raised_epochs_go_on_from_before_it(tmp_path):
    class Zeroes(Callback):
        def on_train_end(self, logs=None):
            self.model.set_weights([np.zeros(2)])

    assert train(tmp_path / "run", epochs=2, more=[Zeroes()])[0] == [0, 0]
    assert train(tmp_path / "run", epochs=2, more=[Zeroes()])[0] == [0, 0]
    assert train(tmp_path / "run") == train(tmp_path / "whole")


def test_a_finished_run_with_fewer_epochs_is_finished(tmp_path, capsys):
    train(tmp_path, epochs=4)
    train(tmp_path, epochs=2)
    assert "is finished (4 epochs)" in capsys.readouterr().out


# Data


class Numbers:
    """An endless iterator with a state of its own."""

    def __init__(self, read=None):
        self.at, self.read = 0, [] if read is None else read

    def __iter__(self):
        return self

    def __next__(self):
        rng = np.random.default_rng(self.at)
        self.read.append(self.at)
        self.at += 1
        return rng.normal(size=(4, 2)), rng.normal(size=4)

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class GetAndSet(Numbers):
    def get_state(self):
        return b"%d" % self.at

    def set_state(self, state):
        self.at = int(state)

    state_dict = load_state_dict = None


def generator(read=None):
    """The same numbers from a generator, which has no state."""
    numbers = Numbers(read)
    while True:
        yield next(numbers)


def stream(source, steps=3):
    return from_batches(source, steps, arrange=lambda *batch: batch)


@pytest.mark.parametrize("make", [Numbers, GetAndSet])
@pytest.mark.parametrize("batch", [1, 4, 5, 6, 7])
def test_an_iterator_goes_on_from_its_own_state(tmp_path, make, batch):
    whole = train(tmp_path / "whole", data=stream(Numbers()))
    train(tmp_path / "x", data=stream(make()), fails=Fails(batch))
    read = []
    assert train(tmp_path / "x", data=stream(make(read))) == whole
    assert read[-1] == 11
    assert len(read) <= 1 + 12 - (batch - 1) // 2 * 2  # one to look at the shapes, none that was used


@pytest.mark.parametrize("batch", [4, 5, 7])
def test_a_generator_without_state_is_read_up_to_there_and_says_so(tmp_path, capsys, batch):
    whole = train(tmp_path / "whole", data=stream(generator()))
    train(tmp_path / "x", data=stream(generator()), fails=Fails(batch))
    capsys.readouterr()
    assert train(tmp_path / "x", data=stream(generator())) == whole
    used = (batch - 1) // 2 * 2
    assert (
        capsys.readouterr().out
        == f"The data keep no state of their own: skipping the {used} batches that were used before.\n"
    )


class Loader:
    """Batches that can be gone through again and again; its iterators know where they are."""

    def __iter__(self):
        numbers = Numbers()
        numbers.__class__ = Limited
        return numbers


class Limited(Numbers):
    def __next__(self):
        if self.at == 3:
            raise StopIteration
        return super().__next__()


class Shuffler:
    """Batches in an order that it draws anew each time it is gone through; it knows where it is itself."""

    def __init__(self):
        self.rng, self.at = np.random.default_rng(0), 0

    def __iter__(self):
        self.before = self.rng.bit_generator.state
        return self.batches(self.rng.permutation(3).tolist())

    def batches(self, order):
        while self.at < 3:
            numbers = Numbers()
            numbers.at, self.at = order[self.at], self.at + 1
            yield next(numbers)
        self.before, self.at = self.rng.bit_generator.state, 0

    def state_dict(self):
        return {"rng": self.before, "at": self.at}

    def load_state_dict(self, state):
        self.rng.bit_generator.state, self.at = state["rng"], state["at"]


class Stays:
    """Batches whose state, once given, is where every later epoch begins too, as Hugging Face's streaming datasets do."""

    def __init__(self):
        self.given = self.at = None

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        for at in range(self.given or 0, 3):
            numbers = Numbers()
            numbers.at, self.at = at, at + 1
            yield next(numbers)

    def state_dict(self):
        return self.at

    def load_state_dict(self, state):
        self.given = state


LISTED = [(np.full((4, 2), n), np.full(4, n)) for n in (1.0, 2.0, 3.0)]


@pytest.mark.parametrize("batch", range(1, 8))
@pytest.mark.parametrize("make", [Loader, Shuffler, Stays, lambda: LISTED])
@pytest.mark.parametrize("save_freq", [1, "epoch"])
def test_what_can_be_gone_through_again_goes_on_in_its_epoch(tmp_path, batch, make, save_freq):
    whole = train(tmp_path / "whole", data=stream(make(), None), save_freq=save_freq)
    train(tmp_path / "x", data=stream(make(), None), fails=Fails(batch), save_freq=save_freq)
    assert train(tmp_path / "x", data=stream(make(), None), save_freq=save_freq) == whole


# Something else


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
            {"data": stream(Numbers())},
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


# Damage


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_generation_is_skipped_with_a_warning(tmp_path):
    whole = train(tmp_path / "whole")
    train(tmp_path / "x", fails=Fails(7))
    damage(newest(tmp_path / "x"))
    with pytest.warns(
        UserWarning, match=r"00000003\.run is damaged: its digest is wrong; the generation before is tried"
    ):
        assert train(tmp_path / "x") == whole


def test_if_all_are_damaged_it_refuses_and_deletes_none(tmp_path):
    train(tmp_path, fails=Fails(7))
    saved = sorted((tmp_path / "run").glob("*.run"))
    for path in saved:
        damage(path)
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(RuntimeError, match=r"all generations in .*run are damaged\. Delete them to start afresh\."),
    ):
        train(tmp_path)
    assert sorted((tmp_path / "run").glob("*.run")) == saved


def test_a_damaged_generation_is_never_counted_among_those_kept(tmp_path):
    train(tmp_path, fails=Fails(7))
    damage(newest(tmp_path))
    with pytest.warns(UserWarning, match="is damaged"):
        train(tmp_path)
    for path in (tmp_path / "run").glob("*.run"):
        generation.read(path)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_as_many_generations_stay_as_were_asked_for(tmp_path, keep):
    fit([BackupAndRestore(tmp_path, keep=keep)], epochs=5)
    assert [path.name for path in sorted(tmp_path.glob("*.run"))] == [
        f"generation-{6 - i:08d}.run" for i in reversed(range(keep))
    ]


def test_files_of_others_are_never_touched(tmp_path):
    folder = tmp_path / "run"
    (folder / "generation-00000009.run.d").mkdir(parents=True)
    others = [
        "notes.txt",
        "generation-1.run",
        "generation-٠٠٠٠٠٠٠١.run",
        "xgeneration-00000001.run",
        ".generation-00000001.run",
    ]
    for name in others:
        (folder / name).write_text("mine")
    train(tmp_path)
    train(tmp_path)
    assert [(folder / name).read_text() for name in others] == ["mine"] * len(others)
    assert (folder / "generation-00000009.run.d").is_dir()


# One process at a time


SECOND = """
    import sys
    sys.path.insert(0, "tests")
    from numpy_engine import fit
    from epochal.callbacks import BackupAndRestore, Callback

    class Waits(Callback):
        def on_epoch_end(self, epoch, logs=None):
            print("there", flush=True)
            sys.stdin.read()
            print("over", flush=True)
        def state_dict(self):
            return {}

    {before}
    fit([BackupAndRestore(sys.argv[1]), Waits()], epochs=1)
"""


@pytest.fixture
def second(tmp_path):
    """Start a process that uses the folder until its input ends."""
    started = []

    def start(before="pass"):
        script = textwrap.dedent(SECOND).replace("{before}", before)
        process = subprocess.Popen(
            [sys.executable, "-c", script, tmp_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline() == "there\n"
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its children
        process.communicate()


def test_a_second_process_is_told_the_first_ones_id(tmp_path, second):
    process = second()
    with pytest.raises(RuntimeError, match=rf"{tmp_path} is used by another process, pid {process.pid}\."):
        fit([BackupAndRestore(tmp_path)])
    assert process.communicate("")[0] == "over\n"
    fit([BackupAndRestore(tmp_path)])


def test_the_lock_dies_with_its_owner(tmp_path, second):
    process = second()
    process.kill()
    process.wait()
    fit([BackupAndRestore(tmp_path)])


@pytest.mark.parametrize("child", ["os.fork() or time.sleep(60)", "subprocess.Popen(['sleep', '60'])"])
def test_a_child_of_the_owner_does_not_keep_it(tmp_path, second, child):
    inside = f"Waits.on_epoch_begin = lambda *_: (__import__('os'), __import__('time'), __import__('subprocess')) and {child}"
    process = second(f"import os, time, subprocess; {inside}")
    process.kill()
    process.wait()
    fit([BackupAndRestore(tmp_path)])


def test_the_folder_is_free_after_an_error_too(tmp_path):
    for _ in range(2):
        with pytest.raises(Stop):
            fit([BackupAndRestore(tmp_path), Fails(1)])


def test_two_in_one_fit_on_one_folder_are_refused(tmp_path):
    with pytest.raises(RuntimeError, match=rf"is used by this process, pid {os.getpid()}, already: give each Backup"):
        fit([BackupAndRestore(tmp_path), BackupAndRestore(tmp_path)])


# Callbacks


class Counts(Callback):
    """Remembers something and can't say it."""

    def __init__(self):
        self.n = 0

    def on_epoch_end(self, epoch, logs=None):
        self.n += 1


def test_a_callback_that_remembers_without_state_dict_is_named_once(tmp_path):
    with pytest.warns(UserWarning, match="Counts has no state_dict: what it remembers starts afresh") as caught:
        fit([BackupAndRestore(tmp_path, save_freq=1), Counts()], epochs=3)
    assert len(caught) == 1


def test_callbacks_without_memory_are_not_named(tmp_path):
    class Prints(Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    fit([BackupAndRestore(tmp_path), Prints()])


def test_states_go_to_the_callbacks_of_the_same_class_and_number(tmp_path):
    first, second = Adds(), Adds()
    second.epochs = 10
    train(tmp_path, fails=Fails(7), more=[first, second])
    first, second = Adds(), Adds()
    train(tmp_path, more=[first, Recorder(), second], epochs=2, fails=Fails(hook="on_train_end"))
    assert (first.epochs, second.epochs) == (2, 12)


def test_a_state_that_no_file_can_hold_is_an_error_that_names_the_place(tmp_path):
    class Bad(Counts):
        def state_dict(self):
            return {"n": {1, 2}}

    with pytest.raises(TypeError, match=r"state\.callbacks\.Bad/0\.n is a set"):
        fit([BackupAndRestore(tmp_path), Bad()])


def test_an_objects_state_that_is_no_callback_of_ours_is_saved(tmp_path):
    class Plain:
        n = 0

        def on_epoch_end(self, epoch, logs):
            self.n += 1

        def state_dict(self):
            return {"n": self.n}

        def load_state_dict(self, state):
            self.n = state["n"]

    fit([BackupAndRestore(tmp_path), Plain()], epochs=2)
    plain = Plain()
    fit([BackupAndRestore(tmp_path), plain], epochs=3)
    assert plain.n == 3


# Arguments


@pytest.mark.parametrize("arguments", [{"save_freq": 0}, {"save_freq": "day"}, {"save_freq": True}, {"keep": 0}])
def test_arguments_out_of_range_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match=r"needs a whole n|a frequency is 'epoch'|keep is how many generations stay"):
        BackupAndRestore(tmp_path, **arguments)


@pytest.mark.parametrize("save_freq", ["epoch", "batch", 5, Every(2, "epoch"), Every(3, "batch"), Every(0.5, "second")])
def test_save_freq_is_a_word_a_number_of_batches_or_an_every(tmp_path, save_freq):
    train(tmp_path, save_freq=save_freq)
    assert generation.read(newest(tmp_path))["finished"]


@pytest.mark.parametrize(
    ("save_freq", "batches"), [("epoch", [0, 3, 6]), (2, [0, 2, 4, 6]), (Every(2, "epoch"), [0, 6])]
)
def test_saves_are_taken_when_they_are_due(tmp_path, save_freq, batches, monkeypatch):
    counts = []
    monkeypatch.setattr(
        BackupAndRestore,
        "save_run",
        lambda self, state: counts.append((state["count"], setattr(self, "save_due", False))),
    )
    train(tmp_path, save_freq=save_freq, epochs=2)
    assert [count for count, _ in counts][:-1] == batches  # the last is the finished run
