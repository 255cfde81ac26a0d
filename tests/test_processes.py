"""Several processes start together, and each ends by itself, soon and in words, when another one ends or hangs."""

import re
import signal

import jax
import pytest
from processes import reserved_port, run

import epochal
from epochal import distribution
from epochal.core.processes import Process
from epochal.data.seeds import fresh_seed
from epochal.distribution.signs import Late, LateWarnings, Roll, Sign

HERE = "127.0.0.1:9"  # where nobody listens


def errors(outcome):
    """Return the lines of a process's output with an error's text, without what JAX and tracebacks add."""
    return re.findall(r"^(?:\w*Error: |Warning: ).*", outcome.output, re.MULTILINE)


# Starting


def test_a_script_alone_runs_as_one_process():
    distribution.initialize()
    distribution.initialize(num_processes=1)
    assert (distribution.process_count(), distribution.process_index(), distribution.is_primary()) == (1, 0, True)
    assert not jax.distributed.is_initialized()


REFUSED = [
    ((HERE, 2), "not process_id, and no cluster that JAX knows"),
    ((None, None, 1), "knows process_id=1, but not coordinator_address and num_processes"),
    ((HERE, 2, 2), "process_id=2 isn't one of 2 processes: their numbers are 0 to 1"),
    ((HERE, 0, 0), "num_processes must be a whole number of at least 1; got 0"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_arguments_that_make_no_sense_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        distribution.initialize(*arguments)


@pytest.mark.parametrize("name", ["heartbeat_seconds", "timeout_seconds", "late_seconds"])
def test_times_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be greater than 0; got 0"):
        distribution.initialize(**{name: 0})


def test_devices_are_for_several_processes(monkeypatch):
    monkeypatch.setattr("epochal.distribution.service.platforms", lambda: None)
    with pytest.raises(ValueError, match="local_device_ids is for several processes"):
        distribution.initialize(local_device_ids=0)
    monkeypatch.setattr("epochal.distribution.service.platforms", lambda: "cpu")
    with pytest.raises(ValueError, match="local_device_ids chooses GPUs, and JAX_PLATFORMS is cpu"):
        distribution.initialize(HERE, 2, 0, local_device_ids=[0])


def test_an_address_in_the_environment_counts(monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", HERE)
    with pytest.raises(ValueError, match=f"knows coordinator_address='{HERE}', but not num_processes and process_id"):
        distribution.initialize()


def test_it_comes_before_jax_makes_its_devices():
    jax.devices()
    with pytest.raises(RuntimeError, match="comes too late: JAX has made its devices already.* Call it first"):
        distribution.initialize(HERE, 2, 1)


@pytest.fixture
def without_devices(monkeypatch):
    """Let this process, which has devices, go on as far as it can get before it connects."""
    monkeypatch.setattr("epochal.distribution.service.has_devices", lambda: False)


@pytest.mark.usefixtures("without_devices")
def test_an_address_has_a_port():
    with pytest.raises(ValueError, match='must be "host:port", such as "10.0.0.1:1234"; got \'10.0.0.1\''):
        distribution.initialize("10.0.0.1", 2, 1)


@pytest.mark.usefixtures("without_devices")
def test_a_coordinator_that_is_not_there_is_waited_for_as_long_as_said():
    with pytest.raises(TimeoutError, match=f"No coordinator was at {HERE} for 0.5 s .*refused.*Is process 0 running"):
        distribution.initialize(HERE, 2, 1, timeout_seconds=0.5)


@pytest.mark.usefixtures("without_devices")
def test_a_port_that_another_program_has_is_named():
    with reserved_port() as other:
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(RuntimeError, match=f"Process 0 can't listen at {address} .*Choose another one"):
            distribution.initialize(address, 2, 0)


def test_a_primary_says_that_the_others_did_not_come():
    (alone,) = run("together.py", "nothing", 0, PROCESSES="2", TIMEOUT="1", count=1)
    assert alone.code == 1
    assert errors(alone)[-1].startswith("TimeoutError: Process 0 has waited 1 s at 127.0.0.1:")


def test_processes_share_the_primarys_seed_and_name_who_is_late():
    first, second = run("together.py", "late", 1)
    assert (first.code, second.code) == (0, 0)
    seeds = [re.search(r"seed (\d+) (\d) (\d) (\w+)", each.output).groups() for each in (first, second)]
    assert [rest for _, *rest in seeds] == [["0", "2", "True"], ["1", "2", "False"]]
    epochal.set_random_seed(0)  # as the primary did before
    assert {seed for seed, *_ in seeds} == {str(fresh_seed())}
    assert "initialize() was called before: this is process 1 of 2" in second.output
    assert "sum 3.0" in first.output
    assert "sum 30.0" in second.output
    assert all(each.output.endswith(" s after late\n") for each in (first, second))  # they end in silence
    assert re.search(r"Warning: process 1 is late: for \d s it waits for data \(epoch 3, batch 37\)", first.output)


def test_processes_that_run_other_scripts_are_named():
    first, second = run(None, "nothing", 0, scripts=["together.py", "together_elsewhere.py"])
    assert (first.code, second.code) == (1, 1)
    told = r"RuntimeError: Process 0 and process 1 differ in the script: together.py \(SHA-256 \w+\) and together_else"
    assert re.match(told, errors(first)[-1])
    assert re.match(r"RuntimeError: [Pp]rocess [01] (and process 0 differ in|ended: .*differ in)", errors(second)[-1])


# Ending


def test_a_killed_process_is_named_by_the_others():
    first, killed, third = run("together.py", "kill", 1, count=3)
    assert killed.code == -signal.SIGKILL
    for other in (first, third):
        assert other.code == 1
        assert errors(other)[-1].startswith("RuntimeError: process 1 ended or hangs: no sign of life for 2 s")
        assert errors(other)[-1].endswith("Start all processes again to resume.")


def test_a_process_that_stands_still_is_named_though_its_collective_waits_for_ever():
    stopped, other = run("together.py", "stop", 0)
    assert stopped.code is None
    assert other.code == 1
    assert errors(other)[-1].startswith("RuntimeError: process 0 ended or hangs: no sign of life for 2 s")


@pytest.mark.parametrize(("how", "number"), [("kill", signal.SIGKILL), ("terminate", signal.SIGTERM)])
def test_a_killed_primary_ends_the_others_at_once(how, number):
    killed, other = run("together.py", how, 0)
    assert killed.code == -number
    assert other.code in (1, -signal.SIGABRT)  # JAX aborts as soon as the coordinator's connections are closed


@pytest.mark.parametrize("which", [0, 1])
def test_an_exception_in_one_process_is_named_by_the_other(which):
    outcomes = run("together.py", "raise", which)
    assert [each.code for each in outcomes] == [1, 1]
    said = f"ValueError: a hook raised on process {which}"
    assert errors(outcomes[which]) == [said]
    told = f"RuntimeError: process {which} ended: {said}. Start all processes again to resume."
    assert errors(outcomes[1 - which]) == [told]


def test_a_script_that_ends_early_is_named_by_those_that_wait_for_it():
    other, ended = run("together.py", "exit", 1)
    assert other.code == 1
    assert ended.code in (3, -6)  # JAX aborts it where the machine is so busy that it takes seconds to end
    assert errors(other)[-1].startswith("RuntimeError: process 1 ended: its script came to its end, while others wait")


# What follows from signs


def roll(*signs, seconds=1.0, heartbeat=10.0):
    found = Roll(len(signs), heartbeat)
    found.read({index: sign for index, sign in enumerate(signs) if sign is not None}, seconds)
    return found


WAITS = Sign(1, meetings=4, waits_seconds=1.0)


def test_late_is_who_does_not_wait_yet():
    behind = Sign(1, "waits for data", 61.0, meetings=4)
    assert roll(WAITS, behind, WAITS).late() == (Late(1, "waits for data", 61.0),)
    assert str(*roll(WAITS, behind).late()) == "process 1 is late: for 61 s it waits for data"
    assert roll(WAITS, WAITS).late() == ()
    assert roll(Sign(1, meetings=4), Sign(1, meetings=4)).late() == ()


def test_an_error_counts_before_a_silence():
    assert str(roll(WAITS, None, Sign(1, error="ValueError: no"), seconds=11.0).ended()) == (
        "process 2 ended: ValueError: no. Start all processes again to resume."
    )


def test_a_process_is_silent_as_long_as_its_sign_is_the_same():
    found = Roll(2, 10.0)
    for look, number in enumerate([1, 2, 2]):
        found.read({0: Sign(look), 1: Sign(number)}, 9.0)
        assert found.ended() is None
    found.read({0: Sign(7), 1: Sign(2, "waits for data")}, 1.0)
    assert str(found.ended()).startswith("process 1 ended or hangs: no sign of life for 10 s; the last thing known is")


def test_the_end_of_a_script_is_an_end_only_where_others_wait_for_it():
    done = Sign(1, meetings=4, at_end=True)
    waits_long = Sign(1, meetings=4, waits_seconds=11.0)
    assert roll(waits_long, done).ended().index == 1
    assert roll(WAITS, done).ended() is None
    assert roll(Sign(1, meetings=3, waits_seconds=11.0), done).ended() is None
    assert roll(done, done).all_at_end()
    assert not roll(done, WAITS).all_at_end()
    assert not roll(done, None).all_at_end()


def test_signs_are_texts():
    sign = Sign(3, "waits for data", 1.5, 7, None, "ValueError: ü", True, False, (Late(1, "hangs", 2.0),))
    assert Sign.read(sign.text()) == sign


def test_warnings_about_late_processes_come_at_doubling_times(monkeypatch, capsys):
    warnings, late = LateWarnings(60.0), (Late(1, "hangs", 2.0),)
    printed = []
    for waited in [59, 61, 100, 121, 123, 240, 250]:
        monkeypatch.setattr("epochal.distribution.signs.monotonic", lambda waited=waited: 1000.0 + waited)
        warnings.consider(lambda: late, 1000.0)
        if capsys.readouterr().err:
            printed.append(waited)
    assert printed == [61, 123, 250]


def test_a_process_raises_what_its_watch_has_heard():
    process = Process()
    with process.waiting(), process.waiting():
        assert process.waits_since is not None
    assert (process.meetings, process.waits_since) == (1, None)
    process.check()
    process.ended = "process 1 ended"
    for raises in (process.check, process.waiting().__enter__):
        with pytest.raises(RuntimeError, match="process 1 ended"):
            raises()
    assert process.told
