"""CSVLogger: its columns, its rows, and a file that was there before."""

import csv
import warnings

import pytest
from numpy_engine import Logged, X, Y, fit

from epochal.callbacks import Callback, CallbackList, CSVLogger
from epochal.core.run import Validation
from epochal.data.array_data import ArrayData


@pytest.fixture
def log(tmp_path):
    """Return the path of a log file that isn't there yet."""
    return tmp_path / "log.csv"


def rows_of(log):
    return list(csv.reader(log.read_text().splitlines()))


def write(logger, *rows, metrics=None, epoch=0):
    """Let a logger see epochs with these logs, driven by hand."""
    with CallbackList([logger], metrics=metrics) as callbacks:
        callbacks.on_train_begin()
        for number, logs in enumerate(rows, epoch):
            callbacks.on_epoch_end(number, logs)


def test_epochs_count_from_0_and_columns_stand_in_log_order(log):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch

    history = fit([CSVLogger(log), Adds()], epochs=2, validation=ArrayData(X, Y)).history
    rows = rows_of(log)
    assert rows[0] == ["epoch", "loss", "error", "val_loss", "val_error", "extra"]
    assert [row[0] for row in rows[1:]] == ["0", "1"]
    assert [float(row[1]) for row in rows[1:]] == history["loss"]  # in full precision


def test_values_that_come_in_later_epochs_have_their_columns_and_places(log):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["lr"] = 0.5

    fit([CSVLogger(log), Adds()], epochs=2, validation=Validation(ArrayData(X, Y), 2))
    rows = rows_of(log)
    assert rows[0] == ["epoch", "loss", "error", "val_loss", "val_error", "lr"]
    assert rows[1][3:] == ["NA", "NA", "0.5"]
    assert all(float(value) >= 0 for value in rows[2])


def test_a_missing_value_is_na_and_shifts_no_column(log):
    write(CSVLogger(log), {"loss": 1.0, "acc": 0.5}, {"acc": 0.75}, {"loss": 0.5})
    assert log.read_text() == "epoch,loss,acc\n0,1.0,0.5\n1,NA,0.75\n2,0.5,NA\n"


def test_a_new_name_gives_one_warning_and_no_column(log):
    with pytest.warns(UserWarning, match=r"log\.csv has no column for extra, more: not in the first epoch") as caught:
        write(CSVLogger(log), {"loss": 1.0}, {"extra": 7, "loss": 0.5, "more": 1}, {"loss": 0.25, "extra": 7})
    assert log.read_text() == "epoch,loss\n0,1.0\n1,0.5\n2,0.25\n"
    assert len(caught) == 1


def test_acc_and_accuracy_are_one_column(log):
    write(CSVLogger(log), {"acc": 0.5}, {"accuracy": 0.75}, metrics=["accuracy"])
    assert log.read_text() == "epoch,accuracy\n0,0.5\n1,0.75\n"


def test_the_separator_and_values_that_hold_it(log):
    write(CSVLogger(log, separator=";"), {"loss": 1.0, "note": "a;b"})
    assert log.read_text() == 'epoch;loss;note\n0;1.0;"a;b"\n'


@pytest.mark.parametrize("separator", ["", "::"])
def test_a_separator_is_one_character(log, separator):
    with pytest.raises(ValueError, match="separator must be one character; got"):
        CSVLogger(log, separator)


def test_names_in_any_script_are_written_in_utf8(log):
    with warnings.catch_warnings():
        warnings.simplefilter("error", EncodingWarning)
        write(CSVLogger(log), {"損失": 1.0})
    assert log.read_bytes() == "epoch,損失\n0,1.0\n".encode()


# The file


def test_folders_are_made(tmp_path):
    write(CSVLogger(tmp_path / "run" / "1" / "log.csv"), {"loss": 1.0})
    assert (tmp_path / "run" / "1" / "log.csv").exists()


def test_an_old_file_is_untouched_until_the_first_row_and_then_replaced(log):
    log.write_text("old")
    logger = CSVLogger(log)
    with CallbackList([logger]) as callbacks:
        callbacks.on_train_begin()
        assert log.read_text() == "old"
        callbacks.on_epoch_end(0, {"loss": 1.0})
    assert log.read_text() == "epoch,loss\n0,1.0\n"


def test_a_row_can_be_read_when_its_epoch_ends(log):
    with CallbackList([CSVLogger(log)]) as callbacks:
        for epoch in range(3):
            callbacks.on_epoch_end(epoch, {"loss": 1.0})
            assert len(log.read_text().splitlines()) == epoch + 2


def test_the_file_is_closed_after_an_error_with_the_rows_so_far(log):
    class Raises(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("broken")

    logger = CSVLogger(log)
    with pytest.raises(RuntimeError, match="broken"):
        fit([logger, Raises()], epochs=5)
    assert len(log.read_text().splitlines()) == 3
    assert logger._file is None
    logger.close()


def test_a_second_fit_writes_anew(log):
    logger = CSVLogger(log)
    write(logger, {"loss": 1.0})
    write(logger, {"acc": 1.0})
    assert log.read_text() == "epoch,acc\n0,1.0\n"


# Appending


def test_appending_keeps_the_header_and_matches_it(log):
    log.write_text("epoch,acc,loss\n0,0.5,1.0\n")
    write(CSVLogger(log, append=True), {"loss": 0.5, "acc": 0.75}, epoch=1)
    assert log.read_text() == "epoch,acc,loss\n0,0.5,1.0\n1,0.75,0.5\n"


def test_appending_a_name_without_a_column_warns(log):
    log.write_text("epoch,loss\n0,1.0\n")
    with pytest.warns(UserWarning, match="has no column for acc"):
        write(CSVLogger(log, append=True), {"loss": 0.5, "acc": 0.75}, epoch=1)
    assert log.read_text() == "epoch,loss\n0,1.0\n1,0.5\n"


@pytest.mark.parametrize("there", [None, ""])
def test_appending_to_nothing_begins_a_file(log, there):
    if there is not None:
        log.write_text(there)
    write(CSVLogger(log, append=True), {"loss": 1.0})
    assert log.read_text() == "epoch,loss\n0,1.0\n"


def test_appending_after_an_unfinished_line_begins_a_new_one(log):
    log.write_text("epoch,loss\n0,1.0\n1,0.")
    with pytest.warns(UserWarning, match=r"log\.csv ends in the unfinished line '1,0\.'; it stays"):
        write(CSVLogger(log, append=True), {"loss": 0.5}, epoch=1)
    assert log.read_text() == "epoch,loss\n0,1.0\n1,0.\n1,0.5\n"


@pytest.mark.parametrize("first", ["epoch;loss", "0,1.0", ""])
def test_appending_to_a_file_that_is_no_such_log_is_refused(log, first):
    log.write_text(f"{first}\n0;1.0\n")
    with pytest.raises(ValueError, match=rf"log\.csv begins with '{first}': no header of columns separated by ','"):
        write(CSVLogger(log, append=True), {"loss": 0.5}, epoch=1)
    assert log.read_text() == f"{first}\n0;1.0\n"


# State


@pytest.mark.parametrize("append", [False, True])
def test_a_resumed_run_cuts_off_what_was_written_after_its_state(log, append):
    logs = [{"loss": 1.0 / (epoch + 1), "acc": epoch} for epoch in range(5)]
    log.write_text("epoch,loss,acc\n7,7,7\n")
    first = CSVLogger(log, append=append)
    with CallbackList([first, Logged({})]) as callbacks:
        callbacks.on_train_begin()
        for epoch in range(4):
            callbacks.on_epoch_end(epoch, logs[epoch])
            if epoch == 2:
                state = first.state_dict()
    second = CSVLogger(log, append=append)
    with CallbackList([second]) as callbacks:
        callbacks.on_train_begin()
        second.load_state_dict(state)
        for epoch in (3, 4):
            callbacks.on_epoch_end(epoch, logs[epoch])
    rows = rows_of(log)[1:]
    assert [row[0] for row in rows] == [*(["7"] if append else []), "0", "1", "2", "3", "4"]


def test_a_run_resumed_before_its_first_row_begins_the_file(log):
    log.write_text("from a run that went on for longer\n")
    logger = CSVLogger(log)
    with CallbackList([logger]) as callbacks:
        callbacks.on_train_begin()
        logger.load_state_dict(CSVLogger(log).state_dict())
        callbacks.on_epoch_end(0, {"loss": 1.0})
    assert log.read_text() == "epoch,loss\n0,1.0\n"


def test_a_run_resumed_where_its_log_was_deleted_begins_a_new_one(log):
    first, second = CSVLogger(log), CSVLogger(log)
    write(first, {"loss": 1.0})
    log.unlink()
    with CallbackList([second]) as callbacks:
        callbacks.on_train_begin()
        with pytest.warns(UserWarning, match=r"log\.csv is shorter than the saved run remembers, 0 of 17 bytes: 2 of"):
            second.load_state_dict(first.state_dict())
        callbacks.on_epoch_end(1, {"loss": 0.5})
    assert log.read_text() == "epoch,loss\n1,0.5\n"
