"""The README's code blocks run, in order, as one script."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.filterwarnings("ignore:LossHistory has no state_dict")
def test_readme_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "best.h5").exists()
    assert max(names["history"].history["val_accuracy"]) > 0.8
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss")


def test_readme_names_every_callback():
    import epochal.callbacks

    table = README.read_text()
    for name in set(epochal.callbacks.__all__) - {"Callback", "Every", "WhenNotFinite"}:
        assert f"`{name}`" in table, name
