"""Raw or zlib-compressed pixel arrays in files, read frame by frame where the file allows it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.data.readers.reader_errors import cut_off


def raw_array(path: Path, *, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> Callable[[], NDArray]:
    """Return a loader that maps an uncompressed array: only the pages of the frame asked for are read.

    Raises:
        ReadError: If the file is shorter than the array.
    """
    wanted = offset + math.prod(shape) * dtype.itemsize
    actual = path.stat().st_size
    if actual < wanted:
        raise cut_off(path, wanted, actual)
    return lambda: np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def zlib_array(path: Path, *, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> Callable[[], NDArray]:
    """Return a loader that decodes a zlib stream at the first frame and keeps the decoded array."""

    @cache
    def load() -> NDArray:
        num_bytes = math.prod(shape) * dtype.itemsize
        with path.open("rb") as file:
            file.seek(offset)
            # The limit keeps a damaged or hostile header from filling the memory.
            data = zlib.decompressobj().decompress(file.read(), num_bytes)
        if len(data) < num_bytes:
            raise cut_off(path, num_bytes, len(data))
        return np.frombuffer(data, dtype=dtype).reshape(shape)

    return load
