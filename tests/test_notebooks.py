"""What a cell of a notebook shows: one output that is updated, with what is printed above its last line."""

import sys
import types

import pytest
from numpy_engine import make_run

from epochal.callbacks import Callback, EarlyStopping, LambdaCallback, ProgbarLogger
from epochal.core import loop
from epochal.screens import notebook as module


class ZMQInteractiveShell:
    """What IPython calls the shell behind a notebook."""


@pytest.fixture
def outputs(monkeypatch, spans_of):
    """Pretend to be in a notebook whose outputs are updated at every batch; return the texts of its outputs."""
    texts = []

    def display(output, raw, display_id):
        assert (raw, display_id) == (True, True)
        texts.append(output["text/plain"])
        at = len(texts) - 1
        return types.SimpleNamespace(update=lambda output, raw: texts.__setitem__(at, output["text/plain"]))

    shell = types.SimpleNamespace(get_ipython=ZMQInteractiveShell)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    monkeypatch.setattr(module, "REDRAW_SECONDS", 1e-9)
    spans_of(1)
    return texts


def fit(*callbacks, epochs=2, bar=None):
    loop.fit(make_run([*callbacks, bar or ProgbarLogger()], epochs=epochs, verbose=1))


def beginnings(output):
    return [line.split(" - ")[0] for line in output.split("\n")]


def test_one_output_is_updated(outputs, capsys):
    fit()
    assert [beginnings(output) for output in outputs] == [["Epoch 1/2", "Epoch 2/2"]]
    assert capsys.readouterr().out == ""


def test_a_second_fit_has_an_output_of_its_own(outputs):
    bar = ProgbarLogger()
    fit(bar=bar, epochs=1)
    fit(bar=bar, epochs=1)
    assert [beginnings(output) for output in outputs] == [["Epoch 1/1"], ["Epoch 1/1"]]


def test_what_is_printed_stands_above_the_bar_in_order(outputs, capsys):
    seen = []

    class Prints(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                print("hel", end="")
                print("lo\n10%\r20%\r", end="")
                print("30%")
            elif batch == 2:
                seen.append(outputs[0])

    fit(Prints(), EarlyStopping("loss", patience=1, baseline=0.0, verbose=1), epochs=1)
    assert beginnings(seen[0])[:2] == ["hello", "30%"]
    assert seen[0].split("\n")[2].startswith("Epoch 1/1 2/3 [")
    assert [line.split(".")[0].split(" - ")[0] for line in outputs[0].split("\n")] == [
        *("hello", "30%", "Epoch 1/1", "Epoch 1: early stopping"),
    ]
    print("afterwards")
    assert capsys.readouterr().out == "afterwards\n"


def test_many_lines_go_into_several_outputs(outputs, monkeypatch):
    monkeypatch.setattr(module, "MOST_LINES", 3)
    fit(LambdaCallback(on_batch_end=lambda batch, logs: print("batch", batch)), epochs=3)
    assert len(outputs) > 1
    lines = [line for output in outputs for line in output.split("\n")]
    batches = ["batch 0", "batch 1", "batch 2"]
    assert [line.split(" - ")[0] for line in lines] == [
        *(*batches, "Epoch 1/3"), *(*batches, "Epoch 2/3"), *(*batches, "Epoch 3/3"),
    ]  # fmt: skip


def test_an_error_leaves_the_bar_where_it_was(outputs):
    with pytest.raises(RuntimeError, match="broken"):
        fit(LambdaCallback(on_epoch_end=lambda epoch, logs: _raise()))
    assert outputs[0].startswith("Epoch 1/2 3/3 [")
    assert not hasattr(sys.stdout, "_owner")


def _raise():
    raise RuntimeError("broken")


NOTEBOOK = """
import numpy as np
from epochal.callbacks import Callback, EarlyStopping
from epochal.layers import Dense
from epochal.models import Sequential

class Mine(Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("mine", epoch)

x, y = np.ones((64, 4), "float32"), np.ones((64, 1), "float32")
model = Sequential([Dense(1, input_dim=4)])
model.compile("sgd", "mse")
history = model.fit(x, y, epochs=3, callbacks=[Mine(), EarlyStopping("loss", patience=1, min_delta=99, verbose=1)])
print("after")
"""


def test_in_a_real_notebook(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = [
        nbformat.v4.new_code_cell(source)
        for source in (NOTEBOOK, "history", "model", "model.fit(x, y, validation_split=0.5, validation_data=(x, y))")
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown, printed = book.cells[0].outputs
    assert [line.split(" - ")[0].split(".")[0] for line in shown["data"]["text/plain"].split("\n")] == [
        *("mine 0", "Epoch 1/3", "mine 1", "Epoch 2/3", "Epoch 2: early stopping"),
    ]
    assert printed["text"] == "after\n"
    for cell, text in zip(book.cells[1:3], ("2 epochs", "Model sequential, input: input_layer (None, 4)"), strict=True):
        assert text in cell.outputs[0]["data"]["text/html"]
    [warning] = [output["text"] for output in book.cells[3].outputs if output["output_type"] == "stream"]
    assert "validation_split is left out" in warning
    assert warning.strip().endswith("model.fit(x, y, validation_split=0.5, validation_data=(x, y))")
