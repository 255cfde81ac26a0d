"""Layers by Keras's names and with Keras 3's defaults, thin over flax.nnx.

A layer is a `flax.nnx.Module` that holds its settings first and makes its variables in `build`, when the
shape of its input is known. In a model, any other `nnx.Module` and any plain function is a layer too.
"""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .activity import ActivityRegularization
    from .attention import MultiHeadAttention
    from .base import Layer
    from .bidirectional import Bidirectional
    from .convolution import Conv1D, Conv2D
    from .dense import Activation, Dense
    from .depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
    from .dot import Dot, dot
    from .dropout import Dropout, SpatialDropout1D, SpatialDropout2D
    from .embedding import Embedding
    from .functions import Lambda
    from .gated import GRU, LSTM
    from .masking import Masking
    from .merging import (
        Add,
        Average,
        Concatenate,
        Maximum,
        Minimum,
        Multiply,
        Subtract,
        add,
        average,
        concatenate,
        maximum,
        minimum,
        multiply,
        subtract,
    )
    from .noise import AlphaDropout, GaussianDropout, GaussianNoise
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
    from .preprocessing import Normalization, Rescaling
    from .rectifiers import ELU, LeakyReLU, PReLU, ReLU
    from .recurrent import SimpleRNN
    from .reshaping import Flatten, Permute, RepeatVector, Reshape
    from .resizing import Cropping1D, Cropping2D, UpSampling1D, UpSampling2D, ZeroPadding1D, ZeroPadding2D
    from .softmax import Softmax
    from .tensors import Input, Tensor
    from .time_distributed import TimeDistributed
    from .transposed import Conv1DTranspose, Conv2DTranspose

    # Keras's other names of some
    AvgPool1D, AvgPool2D, MaxPool1D, MaxPool2D = AveragePooling1D, AveragePooling2D, MaxPooling1D, MaxPooling2D
    GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
    GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
    Convolution1D, Convolution2D = Conv1D, Conv2D
    Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
    SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D

__all__ = [
    "ELU", "GRU", "LSTM", "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "AveragePooling1D",
    "AveragePooling2D", "AvgPool1D", "AvgPool2D", "BatchNormalization", "Bidirectional", "Concatenate", "Conv1D",
    "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Convolution1D", "Convolution1DTranspose", "Convolution2D",
    "Convolution2DTranspose", "Cropping1D", "Cropping2D", "Dense", "DepthwiseConv1D", "DepthwiseConv2D", "Dot",
    "Dropout", "Embedding", "Flatten", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalMaxPool1D", "GlobalMaxPool2D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GroupNormalization", "Input", "Lambda", "Layer",
    "LayerNormalization", "LeakyReLU", "Masking", "MaxPool1D", "MaxPool2D", "MaxPooling1D", "MaxPooling2D", "Maximum",
    "Minimum", "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "Permute", "ReLU", "RepeatVector",
    "Rescaling", "Reshape", "SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D", "SeparableConvolution2D",
    "SimpleRNN", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract", "Tensor", "TimeDistributed",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D", "add", "average", "concatenate", "dot",
    "maximum", "minimum", "multiply", "subtract",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__)
