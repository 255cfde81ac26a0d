"""CSVLogger on files that other programs wrote, that were cut off, or that have no room to grow."""

import csv
import io
import re

import numpy as np
import pytest
from numpy_engine import Logged, fit

from epochal.callbacks import Callback, CSVLogger


@pytest.fixture
def log(tmp_path):
    """Return the path of a log file that isn't there yet."""
    return tmp_path / "log.csv"


def rows_of(log, separator=","):
    return list(csv.reader(io.StringIO(log.read_bytes().decode(), newline=""), delimiter=separator))


class Batches(Callback):
    """Counts batches."""

    number = 0

    def on_batch_end(self, batch, logs=None):
        self.number += 1


def assert_told_before_the_first_batch(log, content, message, error=ValueError, **settings):
    log.write_bytes(content)
    batches = Batches()
    with pytest.raises(error, match=re.escape(message)):
        fit([batches, CSVLogger(log, append=True, **settings)], epochs=2)
    assert batches.number == 0
    assert log.read_bytes() == content


REFUSED = {
    "cut within a quoted value": (b'epoch,note,loss\n0,"half of a no', "delete that line"),
    "cut within a quoted header": (b'epoch,"lo', "delete that line"),
    "latin-1": ("epoch,loss,größe\n0,1.0,2\n".encode("latin-1"), "isn't UTF-8 text"),
    "utf-16": ("epoch,loss\n0,1.0\n".encode("utf-16"), "isn't UTF-8 text"),
    "another separator": (b"epoch;loss;error\n0;1;2\n", "no header of columns separated by ','"),
    "no header": (b"0,1.0,2.0\n", "the first of which is epoch"),
    "empty lines first": (b"\n\nepoch,loss\n", "the first of which is epoch"),
    "a quote within a value": (b'epoch,loss\n0,"1"2\n', "log.csv can't be appended to"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_rows_would_spoil_is_told_before_the_first_batch(log, content, message):
    assert_told_before_the_first_batch(log, content, message)


def test_a_folder_and_a_protected_file_are_told_before_the_first_batch(log):
    log.mkdir()
    with pytest.raises(IsADirectoryError, match=r"log\.csv is a folder"):
        fit([CSVLogger(log)], epochs=1)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_stay_what_they_are(log, end):
    log.write_bytes(f"epoch,loss,error{end}0,1.0,2.0{end}".encode())
    history = fit([CSVLogger(log, append=True)], epochs=1).history
    wanted = ["epoch,loss,error", "0,1.0,2.0", f"0,{history['loss'][0]},{history['error'][0]}", ""]
    assert log.read_bytes().decode() == end.join(wanted)


def test_a_byte_order_mark_is_no_part_of_the_first_name(log):
    log.write_text("epoch,loss,error\n", encoding="utf-8-sig")
    history = fit([CSVLogger(log, append=True)], epochs=1).history
    assert log.read_text(encoding="utf-8") == f"\ufeffepoch,loss,error\n0,{history['loss'][0]},{history['error'][0]}\n"


def test_a_name_may_have_line_ends_and_quotes(log):
    with open(log, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [["epoch", 'two\nlines, "quoted"', "loss", "error"], [0, 1, 2, 3]]
        )
    before = log.read_text()
    fit([CSVLogger(log, append=True), Logged({'two\nlines, "quoted"': [5.0]})], epochs=1)
    rows = rows_of(log)
    assert log.read_text().startswith(before)
    assert rows[2][:2] == ["0", "5.0"]


def test_a_metric_without_a_column_is_told_before_the_first_batch(log):
    log.write_text("epoch,loss\n0,1.0\n")
    told = []

    class Told(Callback):
        def on_batch_begin(self, batch, logs=None):
            told.append(len(caught))

    with pytest.warns(UserWarning, match=r"log\.csv has no column for error: it goes on with the columns") as caught:
        fit([Told(), CSVLogger(log, append=True)], epochs=2)
    assert set(told) == {1}
    assert [row[0] for row in rows_of(log)] == ["epoch", "0", "0", "1"]


def test_a_last_line_that_was_cut_off_is_told_before_the_first_batch(log):
    log.write_text("epoch,loss,error\n0,1.0,2.0\n1,0.")
    with pytest.warns(UserWarning, match=re.escape("log.csv ends in the unfinished line '1,0.'; it stays")):
        fit([CSVLogger(log, append=True)], epochs=1)
    assert [len(row) for row in rows_of(log)] == [3, 3, 2, 3]


def test_a_run_that_is_resumed_looks_at_what_it_keeps_only(log):
    fit([first := CSVLogger(log, append=True)], epochs=1)
    kept = log.read_text()
    log.write_text(kept + '1,"cut off by a power cut')
    second = CSVLogger(log, append=True)
    second.on_train_begin()
    second.load_state_dict(first.state_dict())
    second.set_params({"metrics": ["loss", "error"]})
    second.on_epoch_begin(1)
    second.on_epoch_end(1, {"loss": 1.0, "error": 2.0})
    second.close()
    assert log.read_text() == f"{kept}1,1.0,2.0\n"


@pytest.mark.parametrize("separator", ['"', "\n", "\r"])
def test_a_separator_is_a_character_between_values(log, separator):
    with pytest.raises(ValueError, match="A quote or a line end is none"):
        CSVLogger(log, separator)


def test_numbers_with_the_separator_in_them_are_quoted(log):
    fit([CSVLogger(log, "."), Logged({"half": [np.float64(0.5)]})], epochs=1)
    assert rows_of(log, ".")[1][-1] == "0.5"
