"""The table of a model's layers: how wide it is, and as HTML."""

import re

import pytest
from screens import shown

from epochal.layers import BatchNormalization, Dense, Input, concatenate
from epochal.models import Model, Sequential

NAME = "a_hidden_layer_with_quite_a_long_name"


@pytest.fixture(scope="module")
def model():
    image, mean = Input((64,), name="image"), Input((1,), name="mean")
    hidden = BatchNormalization()(Dense(640, name=NAME)(concatenate([image, mean])))
    inner = Sequential([Dense(8, input_dim=640), Dense(3)], name="inner")
    inner.trainable = False
    return Model([image, mean], [Dense(10, name="数字")(hidden), inner(hidden)], name="two<heads>")


def lines_of(model, **options):
    lines = []
    model.summary(print_fn=lines.append, **options)
    return lines


def test_it_says_the_name_the_inputs_and_what_is_trained_and_stored(model):
    first, *_, last = lines_of(model)
    assert first == "Model two<heads>, inputs: image (None, 64), mean (None, 1)"
    trained, frozen, state = 65 * 640 + 640 + 2 * 640 + 6410, 640 * 8 + 8 + 8 * 3 + 3, 2 * 640
    total = trained + frozen + state
    assert last == (
        f"{total:,} weights ({4 * total / 1024:.1f} KB): {trained:,} trainable, {frozen:,} frozen "
        f"and {state:,} state of layers"
    )


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_it_is_never_wider_than_the_terminal(monkeypatch, model, columns):
    text = shown(monkeypatch, columns, lambda: model.summary(expand_nested=True)).text
    lines = text.replace("\r", "").splitlines()
    assert max(len(line) + line.count("数") + line.count("字") for line in lines) < columns
    assert "(BatchNormalization)" in text or columns == 40


def test_long_names_are_cut_and_shapes_go_to_the_next_line(monkeypatch, model):
    lines = shown(monkeypatch, 80, model.summary).lines
    at = next(number for number, line in enumerate(lines) if line.startswith("a_hidden"))
    assert NAME.startswith(lines[at].split()[0].removesuffix("…"))
    assert lines[at].split()[1:] == ["(None,", "640)", "kernel", "(65,", "640),", "42,240"]
    assert lines[at + 1].split() == ["(Dense)", "bias", "(640,)"]


@pytest.mark.parametrize("length", [60, 100, 150])
def test_line_length_rules(monkeypatch, model, length):
    lines = lines_of(model, line_length=length)
    assert max(map(len, lines)) == len(lines[1]) == length
    with pytest.raises(ValueError, match="line_length must be a whole number of at least 1"):
        model.summary(line_length=0)


def test_where_there_is_no_terminal_it_is_no_wider_than_120(capsys, model):
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines == lines_of(model)
    assert 100 < max(map(len, lines)) <= 120


def test_frozen_layers_are_marked_unless_that_is_not_wanted(model):
    assert any("(Sequential, frozen)" in line for line in lines_of(model))
    assert not any(", frozen)" in line for line in lines_of(model, show_trainable=False))


def test_a_notebook_shows_a_table_with_escaped_text(model):
    html = model._repr_html_()
    assert "two&lt;heads&gt;" in html
    assert "<heads>" not in html
    rows = re.findall("<tr>(.*?)</tr>", html)
    assert len(rows) == 1 + 5 + 1
    assert re.sub("<[^>]*>", " ", rows[2]).split()[:2] == [NAME, "(Dense)"]
    assert Sequential([Dense(2)])._repr_html_() is None
