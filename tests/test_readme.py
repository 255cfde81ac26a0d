"""The code blocks of the README and of the docs run, in order, as one script each."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from epochal import distribution

README = Path(__file__).parent.parent / "README.md"
DATA = README.parent / "docs" / "data.md"
KERAS = README.parent / "docs" / "keras.md"
DEVICES = README.parent / "docs" / "devices.md"


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
    names = run_blocks(README, 7)
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


@pytest.mark.skipif(jax.device_count() < 8, reason="eight devices, which XLA_FLAGS simulates on a CPU")
def test_the_blocks_about_devices_run():
    try:
        names = run_blocks(DEVICES, 4)
        model = names["model"]  # compiled on devices, and trained as the last block says
        assert model.fit(np.zeros((16, 16), "float32"), np.zeros(16), verbose=0).epoch == [0]
        kernel = model.layers[0].affine.kernel.get_value()
        assert kernel.addressable_shards[0].data.shape == (2, 64)
    finally:
        distribution.set_distribution(None)


def test_readme_names_every_callback():
    import epochal.callbacks

    table = README.read_text()
    for name in set(epochal.callbacks.__all__) - {"Callback", "Every", "WhenNotFinite"}:
        assert f"`{name}`" in table, name
