"""The code blocks of the README and of the docs run, in order, as one script each."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
DATA = README.parent / "docs" / "data.md"
KERAS = README.parent / "docs" / "keras.md"


def run_blocks(path, number):
    """Run a document's blocks and return what they define."""
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
    assert len(blocks) == number
    for block in blocks:
        exec(compile(block, path.name, "exec"), names)
    return names


@pytest.mark.filterwarnings("ignore:LossHistory has no state_dict")
def test_readme_blocks_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    names = run_blocks(README, 6)
    assert (tmp_path / "best.h5").exists()
    assert max(names["history"].history["val_accuracy"]) > 0.8
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss")


def test_the_blocks_about_data_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(run_blocks(DATA, 2)["model"].history.history["val_loss"]) == 2


def test_the_blocks_about_keras_run(tmp_path, monkeypatch):
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    assert len(run_blocks(KERAS, 2)["history"].epoch) == 3


def test_readme_names_every_callback():
    import epochal.callbacks

    table = README.read_text()
    for name in set(epochal.callbacks.__all__) - {"Callback", "Every", "WhenNotFinite"}:
        assert f"`{name}`" in table, name
