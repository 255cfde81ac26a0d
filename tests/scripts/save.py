"""Saves a run three times without a framework, and says after which save everything was acknowledged: `save.py FOLDER`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from numpy_engine import fit

from epochal.callbacks import BackupAndRestore, Callback
from epochal.storage import files

# Without the process's number, so that whoever makes its calls fail knows it before
files._temporary = lambda path, suffix: path.with_name(f".{path.name}.partial")


class Waits(Callback):
    """Waits until an epoch's generation is on the disk, and says so."""

    def on_epoch_begin(self, epoch, logs=None):
        backup.wait()
        self.writer.check()
        print(epoch, flush=True)

    def state_dict(self):
        return {}


backup = BackupAndRestore(sys.argv[1])
fit([backup, Waits()], epochs=3)
print("finished", flush=True)
