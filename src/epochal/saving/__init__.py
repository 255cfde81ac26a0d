"""Model files: HDF5 in Keras's layouts, written from a snapshot and read with care.

Writing: `take` copies a model to the host, and `Snapshot.save` writes it. Reading: `read_weights`, and `opened`
for a whole model. `graphs` turns models into Keras's JSON and back, with `config` for a layer, `calls` and `wiring`
for what takes whose output; `training` does so with compile settings.
"""

from .extras import Extras
from .layout import LayerWeights, check_names, check_suffix
from .model_file import ModelFile, opened, read_weights
from .snapshot import Snapshot, take, view

__all__ = [
    "Extras",
    "LayerWeights",
    "ModelFile",
    "Snapshot",
    "check_names",
    "check_suffix",
    "opened",
    "read_weights",
    "take",
    "view",
]
