"""Weights as greyscale images, laid out as Keras 2 did, and images as PNG."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def layout(weight: np.ndarray) -> list[np.ndarray]:
    """Return a weight as images, each `(height, width)`.

    - A vector is a strip one pixel high. (Keras stood it up; TensorBoard makes a page of a strip one pixel wide.)
    - A matrix is one image, turned if it is higher than wide.
    - A convolution kernel, filters last, is one image a filter; several input channels stand side by side.

    Axes of size 1 don't count, as in Keras 2.1.3, whose layout this is (keras/callbacks.py, `TensorBoard.set_model`);
    it left out kernels with several input channels. Scalars and empty weights have no image.
    """
    flat = weight.squeeze()
    if flat.ndim == 0 or flat.size == 0:
        return []
    if flat.ndim == 1:
        return [flat[None]]
    if flat.ndim == 2:
        return [flat.T if flat.shape[0] > flat.shape[1] else flat]
    if flat.ndim == 3:
        return list(np.moveaxis(flat, -1, 0))
    *_, height, width, channels, filters = flat.shape
    tiles = flat.reshape(-1, height, width, channels, filters)  # a third spatial axis goes downward
    return list(tiles.transpose(4, 0, 1, 3, 2).reshape(filters, -1, channels * width))


def pixels(image: np.ndarray) -> np.ndarray:
    """Return an image as grey levels, uint8, scaled by TensorFlow's rule for float images.

    Without negative values 0 is black and the greatest value white; else 0 is 128 and the greatest magnitude is 1 or
    255. Values that aren't finite are white. (tensorflow/core/kernels/summary_image_op.cc, `NormalizeFloatImage`)
    """
    finite = np.isfinite(image)
    values = np.where(finite, image, 0).astype(np.float64)
    greatest, least = values.max(), values.min()
    span, offset = (127.0, 128.0) if least < 0 else (255.0, 0.0)
    magnitude = max(greatest, -least)
    scale = span / magnitude if magnitude >= 1e-6 else 0.0
    return np.where(finite, values * scale + offset, 255).astype(np.uint8)


def png(levels: np.ndarray) -> bytes:
    """Return grey levels, uint8 `(height, width)`, as a PNG file: https://www.w3.org/TR/png-3/."""
    height, width = levels.shape
    rows = np.zeros((height, 1 + width), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = levels
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits, grey, not interlaced
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
