"""Layers by Keras's names and with Keras 3's defaults, thin over flax.nnx.

A layer is a `flax.nnx.Module` that holds its settings first and makes its variables in `build`, when the
shape of its input is known. In a model, any other `nnx.Module` and any plain function is a layer too.
"""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .attention import MultiHeadAttention
    from .base import Layer
    from .bidirectional import Bidirectional
    from .convolution import Conv1D, Conv2D
    from .dense import Activation, Dense
    from .dropout import Dropout
    from .embedding import Embedding
    from .functions import Lambda
    from .gated import GRU, LSTM
    from .masking import Masking
    from .merging import Add, Average, Concatenate, Multiply, add, average, concatenate, multiply
    from .normalization import BatchNormalization, GroupNormalization, LayerNormalization
    from .pooling import (
        AveragePooling1D,
        AveragePooling2D,
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
        MaxPooling1D,
        MaxPooling2D,
    )
    from .recurrent import SimpleRNN
    from .reshaping import Flatten, Permute, RepeatVector, Reshape
    from .resizing import UpSampling1D, UpSampling2D, ZeroPadding1D, ZeroPadding2D
    from .tensors import Input, Tensor

__all__ = [
    "GRU", "LSTM", "Activation", "Add", "Average", "AveragePooling1D", "AveragePooling2D", "BatchNormalization",
    "Bidirectional", "Concatenate", "Conv1D", "Conv2D", "Dense", "Dropout", "Embedding", "Flatten",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "GroupNormalization", "Input", "Lambda", "Layer", "LayerNormalization", "Masking", "MaxPooling1D",
    "MaxPooling2D", "MultiHeadAttention", "Multiply", "Permute", "RepeatVector", "Reshape", "SimpleRNN", "Tensor",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D", "add", "average", "concatenate", "multiply",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__)
