"""A disk that is full while a generation or an event file is written: one clear error, and whole files only."""

import subprocess
import sys

import pytest
from event_reading import scalars

from epochal.storage import generation

SCRIPT = """
import resource, signal, sys, time
sys.path.insert(0, "tests")
import numpy as np
from numpy_engine import Model, NumpyEngine, fit
from epochal.callbacks import BackupAndRestore, Callback, TensorBoard

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, kind = sys.argv[1], sys.argv[2]


class Grows(Callback):
    ballast = np.zeros(200)

    def on_epoch_end(self, epoch, logs=None):
        self.ballast = np.zeros(len(self.ballast) + 900)  # 7 KiB more in each generation
        if kind == "events":
            logs.update({f"value{n}": float(n) for n in range(40)})
            time.sleep(1e-3)  # or a fit ends before a slow disk has answered for the first time

    def on_exception(self, error):
        print("on_exception", type(error).__name__, flush=True)

    def close(self):
        print("close", flush=True)

    def state_dict(self):
        return {"ballast": self.ballast}


def limit(kib):
    resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, resource.RLIM_INFINITY))


for kib in range(4, 65, 4):
    own = f"{folder}/{kib}"
    more = [TensorBoard(f"{own}/logs")] if kind == "events" else [BackupAndRestore(f"{own}/run")]
    limit(kib)
    try:
        fit([Grows(), *more], epochs=4000 if kind == "events" else 12)
    except OSError as error:
        limit(2**20)
        print(kib, error, getattr(error, "__notes__", []), flush=True)
"""


@pytest.mark.parametrize("kind", ["events", "generations"])
def test_a_full_disk_is_one_error_and_leaves_whole_files_only(tmp_path, kind):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, tmp_path, kind], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 * 16
    for n, kib in enumerate(range(4, 65, 4)):
        raised, closed, told = lines[3 * n : 3 * n + 3]
        assert (raised, closed) == ("on_exception OSError", "close")
        assert told.startswith(f"{kib} [Errno 27] could not write {tmp_path}/{kib}/")
        assert told.endswith(" []")
        if kind == "generations":
            assert "bytes were needed" in told
            saved = list((tmp_path / str(kib) / "run").glob("*.run"))
            assert saved or kib <= 12  # not even the first one has room there
            assert all(generation.read(path) for path in saved)
            assert not list((tmp_path / str(kib) / "run").glob(".*"))
        else:
            steps = [*scalars(tmp_path / str(kib) / "logs" / "train").get("epoch_loss", {})]
            assert steps == list(range(len(steps)))
