"""The one background thread that writes a fit's files."""

import gc
import threading
import weakref

import pytest
from numpy_engine import fit

from epochal.callbacks import Callback
from epochal.storage.writer import PENDING, BackgroundWriter


def broken():
    raise OSError("the disk is broken")


def test_jobs_are_done_in_order_in_another_thread():
    writer, done = BackgroundWriter(), []
    for i in range(3 * PENDING):
        writer.put(lambda i=i: done.append((i, threading.current_thread().name)))
    writer.close()
    assert done == [(i, "epochal-writer") for i in range(3 * PENDING)]


def test_a_writer_without_jobs_has_no_thread():
    before = threading.active_count()
    writer = BackgroundWriter()
    writer.close()
    assert threading.active_count() == before


def test_a_closed_writer_can_be_used_again():
    writer, done = BackgroundWriter(), []
    for i in range(2):
        writer.put(lambda i=i: done.append(i))
        writer.close()
    assert done == [0, 1]


def test_a_job_can_be_waited_for():
    writer, gate, done = BackgroundWriter(), threading.Event(), []
    writer.put(gate.wait)
    job = writer.put(lambda: done.append(1))
    assert done == []
    gate.set()
    job.wait()
    assert done == [1]
    writer.close()


def test_the_first_failure_is_raised_once_and_what_is_behind_it_is_done():
    writer, done = BackgroundWriter(), []
    writer.put(broken, failed=lambda: done.append("taken back"))
    writer.put(lambda: 1 / 0)
    writer.put(lambda: done.append(writer.failed)).wait()
    with pytest.raises(OSError, match="the disk is broken"):
        writer.check()
    writer.check()
    assert done == ["taken back", True]
    assert writer.failed
    writer.close()


def test_a_failure_nobody_asked_for_is_raised_at_the_end():
    writer = BackgroundWriter()
    writer.put(broken)
    with pytest.raises(OSError, match="the disk is broken"):
        writer.close()


def test_what_a_job_held_is_let_go_once_it_is_done():
    class Large:
        pass

    writer, large = BackgroundWriter(), Large()
    gone = weakref.ref(large)
    job = writer.put(lambda large=large: None)
    del large
    job.wait()
    gc.collect()
    assert gone() is None
    writer.close()


class Writes(Callback):
    def __init__(self, job):
        self.job, self.epochs = job, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs += 1

    def on_epoch_end(self, epoch, logs=None):
        job = self.writer.put(self.job)
        if epoch == 0:
            job.wait()


def test_a_failed_write_is_an_error_at_the_next_hook():
    writes = Writes(broken)
    with pytest.raises(OSError, match="the disk is broken"):
        fit([writes], epochs=5)
    assert writes.epochs == 1


def test_fit_returns_when_everything_is_written():
    done, before = [], threading.enumerate()  # another test's fit may still hang
    fit([Writes(lambda: done.append(1))], epochs=3)
    assert done == [1, 1, 1]
    assert "epochal-writer" not in [thread.name for thread in threading.enumerate() if thread not in before]
