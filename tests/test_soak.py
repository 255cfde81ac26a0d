"""A long fit doesn't grow: the short form of `make soak`, and that it finds what does."""

import threading

import jax.numpy as jnp
import pytest
from soaking import everything, growth, soak

from epochal.callbacks import Callback, History


def test_with_every_callback_nothing_grows(tmp_path):
    assert growth(*soak(60, 20, lambda data: everything(tmp_path, data), tmp_path)) == []


class Leaks(Callback):
    """Keeps something of every epoch."""

    def __init__(self, folder):
        self.folder, self.kept, self.done = folder, [], threading.Event()

    def on_epoch_end(self, epoch, logs=None):
        path = self.folder / f"{epoch}.txt"
        self.kept += [open(path, "w"), jnp.ones(7), *([epoch] for _ in range(20_000))]  # noqa: SIM115
        threading.Thread(target=self.done.wait, name="waits for ever").start()

    def close(self):
        self.done.set()
        for kept in self.kept:
            if hasattr(kept, "close"):
                kept.close()


def test_a_callback_that_keeps_something_is_found_out_and_what_it_keeps_is_named(tmp_path):
    leaks = Leaks(tmp_path)
    grown = growth(*soak(12, 6, lambda data: [History(), leaks], tmp_path))
    for expected in (
        "objects grew from .*: 12.,... list",
        r"arrays grew from .*: 6 float32\[7\] more",
        "array bytes grew",
        "threads grew from .*: 6 waits for ever more",
        "open files grew from .* 1 /.*txt",
        "files grew from 6 to 12, and may be 6",
    ):
        with pytest.raises(AssertionError, match=expected):
            assert not grown, "\n".join(grown)
