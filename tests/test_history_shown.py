"""What a History shows: a table with small curves in a notebook, and charts."""

import math
import pickle
import re
import xml.etree.ElementTree as ET

import pytest
from numpy_engine import fit

from epochal.callbacks import CallbackList, History

LOGS = {
    "loss": [3.0, 2.0, 1.0],
    "accuracy": [0.25, 0.75, 0.5],
    "val_loss": [3.0, math.nan, 4.0],
    "val_accuracy": [0.1, 0.3, 0.3],
    "note": ["a", "b", "c"],
}


def recorded(**logs):
    """Return the history of epochs that logged these values; None leaves one out."""
    history = History()
    with CallbackList([history]) as callbacks:
        for epoch in range(len(next(iter(logs.values())))):
            values = {name: given[epoch] for name, given in logs.items() if given[epoch] is not None}
            callbacks.on_epoch_end(epoch, values)
    return history


def rows(history):
    """Return the texts of the table's cells, and its pictures, by metric."""
    body = re.search("<tbody>(.*)</tbody>", history._repr_html_())[1]
    found = {}
    for row in ET.fromstring(f"<body>{body}</body>"):
        name, picture, *cells = row
        found[name.text] = [cell.text for cell in cells], picture[0]
    return found


def test_a_table_has_each_metric_with_its_last_and_best_values():
    texts = {name: cells for name, (cells, _) in rows(recorded(**LOGS)).items()}
    assert texts == {
        "loss": ["1.000", "4.000", "3.000 in epoch 1"],
        "accuracy": ["0.5000", "0.3000", "0.3000 in epoch 2"],
    }


def test_a_picture_has_a_curve_of_training_and_one_of_validation():
    picture = rows(recorded(**LOGS))["loss"][1]
    lines, mark = picture.findall("polyline"), picture.find("circle")
    assert [len(line.get("points").split()) for line in lines] == [3, 2]  # NaN has no place
    assert mark.get("cx") == lines[1].get("points").split(",")[0]
    assert {line.get("stroke") for line in lines} >= {mark.get("fill")}


def test_what_is_shown_is_escaped_and_nothing_is_shown_before_the_first_epoch():
    html = recorded(**{"<script>": [1.0, 2.0]})._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert History()._repr_html_() is None
    assert "1 epoch<" in recorded(loss=[1.0])._repr_html_()


def test_the_best_of_a_metric_that_nobody_knows_is_not_told():
    assert rows(recorded(fitness=[1.0, 2.0]))["fitness"][0] == ["2.000", None]


def test_the_model_says_which_way_its_metrics_are_better_also_after_a_copy():
    from numpy_engine import Model

    class Knows(Model):
        def direction(self, name):
            return "max" if name == "fitness" else None

    history = fit(logged={"fitness": [3.0, 2.0]}, model=Knows())
    for each in (history, pickle.loads(pickle.dumps(history))):
        assert rows(each)["fitness"][0][1] == "3.000 in epoch 1"


def test_epochs_without_validation_keep_their_places():
    history = recorded(loss=[4.0, 3.0, 2.0, 1.0], val_loss=[None, 0.5, None, 0.25])
    other = History()
    other.load_state_dict(history.state_dict())
    for each in (history, other):
        assert rows(each)["loss"][0][2] == "0.2500 in epoch 4"
        figure = each.plot(library="plotly")
        assert [list(line.x) for line in figure.data] == [[1, 2, 3, 4], [2, 4], [4]]


def test_matplotlib_draws_a_chart_for_each_metric():
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    figure = recorded(**LOGS).plot()
    try:
        assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
        lines = {line.get_label(): line for line in figure.axes[1].lines}
        assert list(lines) == ["training", "validation", "best in epoch 2: 0.3000"]
        assert list(lines["training"].get_ydata()) == LOGS["accuracy"]
        assert list(lines["best in epoch 2: 0.3000"].get_xdata()) == [2]
        assert pyplot.fignum_exists(figure.number)  # pyplot.show() shows it
    finally:
        pyplot.close(figure)


@pytest.mark.parametrize("names", [["accuracy"], ["acc"], ["val_acc", "accuracy"]])
def test_metrics_are_chosen_by_name(names):
    figure = recorded(**LOGS).plot(*names, library="plotly")
    assert {title.text for title in figure.layout.annotations} == {"accuracy"}
    assert [list(line.y) for line in figure.data][:2] == [LOGS["accuracy"], LOGS["val_accuracy"]]


def test_what_can_not_be_plotted_is_told(monkeypatch):
    history = recorded(**LOGS)
    with pytest.raises(ValueError, match="'los' is not in the logs. Did you mean 'loss'"):
        history.plot("los")
    with pytest.raises(ValueError, match="library must be 'matplotlib' or 'plotly'"):
        history.plot(library="seaborn")
    with pytest.raises(ValueError, match="no epoch was recorded"):
        History().plot()
    monkeypatch.setattr("epochal.screens.curves.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="History.plot needs matplotlib or plotly: pip install matplotlib"):
        history.plot()
    with pytest.raises(ImportError, match="History.plot needs plotly: pip install plotly"):
        history.plot(library="plotly")
