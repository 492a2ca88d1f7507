"""Loaders of raw and zlib-compressed pixel arrays; raw arrays are read frame by frame."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.readers.reader_errors import truncated


def raw_array(path: Path, *, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> Callable[[], NDArray[Any]]:
    """Return a function that memory-maps an uncompressed array, so that only the frames in use are read.

    Args:
        path: File with the pixels.
        offset: Position of the array in the file, bytes.
        dtype: Type of the pixels, with byte order.
        shape: Shape of the array in C order.

    Raises:
        ReadError: If the file is shorter than the array.
    """
    expected = offset + math.prod(shape) * dtype.itemsize
    actual = path.stat().st_size
    if actual < expected:
        raise truncated(path, expected, actual)
    return lambda: np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def zlib_array(path: Path, *, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> Callable[[], NDArray[Any]]:
    """Return a function that decodes a zlib stream on its first call and caches the array.

    Args:
        path: File with the pixels.
        offset: Position of the stream in the file, bytes.
        dtype: Type of the pixels, with byte order.
        shape: Shape of the array in C order.
    """

    @cache
    def load() -> NDArray[Any]:
        num_bytes = math.prod(shape) * dtype.itemsize
        with path.open("rb") as file:
            file.seek(offset)
            # Limited, because a damaged or malicious stream could otherwise exhaust the memory.
            data = zlib.decompressobj().decompress(file.read(), num_bytes)
        if len(data) < num_bytes:
            raise truncated(path, num_bytes, len(data))
        return np.frombuffer(data, dtype=dtype).reshape(shape)

    return load
