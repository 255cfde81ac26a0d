"""Model files: HDF5 in Keras's formats, written from a snapshot and read with care.

snapshot.py        a model at one moment, copied to the host, and how it is written
model_file.py      a file opened for reading
formats.py         the formats, and which one a file has; keras_h5.py and keras_weights.py are one each
extras.py          what only epochal reads: optimizer, random streams
layer_weights.py   the weights of a layer, matched with those in a file
graphs.py          a graph of layers as JSON and back: config.py for a layer, calls.py for the arguments of its
                   calls, wiring.py for their order
training.py        the settings of `compile` as JSON and back
custom_objects.py  functions and classes by the names in a file
guard.py           reading files that nobody vouches for; hdf5.py gives h5py types, json_values.py checks JSON
sealed.py          a checksum behind the file
"""

from .extras import Extras
from .formats import check_suffix
from .layer_weights import LayerWeights, check_names
from .model_file import ModelFile, opened, read_weights, read_weights_by_name
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
    "read_weights_by_name",
    "take",
    "view",
]
