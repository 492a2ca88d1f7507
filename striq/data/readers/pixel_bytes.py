"""Loaders of raw and compressed pixel arrays; what is decoded is bounded by the size that the header states."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import tempfile
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from striq.data.readers.limits import IN_MEMORY_BYTES, refuse_implausible_expansion
from striq.data.readers.reader_errors import one_line, truncated
from striq.errors import ReadError

CHUNK_BYTES = 2**20
MAX_SPARE_BYTES = 16  # after the pixels; a line end or padding. More do not belong to an image of the stated sizes
DECODING_ERRORS = (OSError, EOFError, zlib.error, ValueError, MemoryError)


class _ZlibStream(io.RawIOBase):
    """The decoded bytes of a zlib stream.

    Args:
        file: File at the start of the stream.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._decoder = file, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._decoder.eof:
            data = self._decoder.unconsumed_tail or self._file.read(CHUNK_BYTES)
            decoded = self._decoder.decompress(data, len(buffer))
            if decoded or not data:
                buffer[: len(decoded)] = decoded
                return len(decoded)
        return 0


def _zlib_stream(file: IO[bytes]) -> IO[bytes]:
    return io.BufferedReader(_ZlibStream(file))


STREAMS: dict[str, Callable[[IO[bytes]], Any]] = {
    "zlib": _zlib_stream,
    "gzip": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    "bzip2": lambda file: bz2.BZ2File(file, "rb"),
}


def raw_array(path: Path, *, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> Callable[[], NDArray[Any]]:
    """Return a function that memory-maps an uncompressed array, so that only the frames in use are read.

    Args:
        path: File with the pixels.
        offset: Position of the array in the file, bytes.
        dtype: Type of the pixels, with byte order.
        shape: Shape of the array in C order.

    Raises:
        ReadError: If the file is shorter than the array, or longer: then its sizes are wrong, which shears the image.
    """
    expected = offset + math.prod(shape) * dtype.itemsize
    actual = path.stat().st_size
    if actual < expected:
        raise truncated(path, expected, actual)
    if actual > expected + MAX_SPARE_BYTES:
        raise _too_long(path, f"{expected} bytes", f"{actual} bytes")
    return lambda: np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def compressed_array(
    path: Path, codec: str, *, offset: int, dtype: np.dtype, shape: tuple[int, ...], skip: int = 0
) -> Callable[[], NDArray[Any]]:
    """Return a function that decodes an array on its first call, into memory or a temporary file if it is large.

    No more is decoded than the array needs. A failure is remembered, so that a damaged cine is decoded once and not
    once per frame.

    Args:
        path: File with the pixels.
        codec: One of ``STREAMS``.
        offset: Position of the compressed data in the file, bytes.
        dtype: Type of the pixels, with byte order.
        shape: Shape of the array in C order.
        skip: Decoded bytes before the array.

    Raises:
        ReadError: If the array is implausibly large for the compressed data.
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    refuse_implausible_expansion(path, skip + num_bytes, path.stat().st_size)

    @cache
    def decoded() -> NDArray[Any] | ReadError:
        try:
            return _decode(path, codec, offset, skip, num_bytes).view(dtype).reshape(shape)
        except ReadError as error:
            return error
        except DECODING_ERRORS as error:
            return _damaged(path, num_bytes, error)

    def load() -> NDArray[Any]:
        data = decoded()
        if isinstance(data, ReadError):
            raise data
        return data

    return load


def text_array(path: Path, *, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> Callable[[], NDArray[Any]]:
    """Return a function that parses an array of numbers written as text, on its first call.

    Args:
        path: File with the numbers, divided by white space.
        offset: Position of the first number in the file, bytes.
        dtype: Type of the pixels.
        shape: Shape of the array in C order.

    Raises:
        ReadError: If the file is too short for so many numbers.
    """
    count, left = math.prod(shape), path.stat().st_size - offset
    if 2 * count - 1 > left:  # a digit and a space each
        raise truncated(path, 2 * count - 1, left)

    @cache
    def load() -> NDArray[Any]:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # raised for text that is no number
            file.seek(offset)
            try:
                # Integers are parsed with 8 bytes, because a number that is too large for fewer would wrap around.
                parsed = np.int64 if dtype.kind in "iu" else dtype
                values = np.fromfile(file, parsed, count=count + 1, sep=" ")
            except (*DECODING_ERRORS, DeprecationWarning) as error:
                raise _damaged(path, count * dtype.itemsize, error) from error
        if values.size < count:
            raise truncated(path, count * dtype.itemsize, values.size * dtype.itemsize)
        if values.size > count:
            raise _too_long(path, f"{count} numbers", "more")
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= values.min() <= values.max() <= np.iinfo(dtype).max:
            raise _damaged(path, count * dtype.itemsize, ValueError(f"numbers beyond the type {dtype.name}"))
        return values.astype(dtype).reshape(shape)

    return load


def _decode(path: Path, codec: str, offset: int, skip: int, num_bytes: int) -> NDArray[np.uint8]:
    with path.open("rb") as file:
        file.seek(offset)
        stream = STREAMS[codec](file)
        _copy(path, stream, skip, lambda data: None)
        if num_bytes <= IN_MEMORY_BYTES:
            data = bytearray()
            _copy(path, stream, num_bytes, data.extend)
            _refuse_more(path, stream, num_bytes)
            return np.frombuffer(data, np.uint8)
        with tempfile.TemporaryFile() as large:  # the memory map keeps its content
            _copy(path, stream, num_bytes, large.write)
            _refuse_more(path, stream, num_bytes)
            large.flush()
            return np.memmap(large, np.uint8, "r")


def _copy(path: Path, stream: IO[bytes], num_bytes: int, write: Callable[[bytes], object]) -> None:
    left = num_bytes
    while left:
        data = stream.read(min(left, CHUNK_BYTES))
        if not data:
            raise truncated(path, num_bytes, num_bytes - left)
        write(data)
        left -= len(data)


def _refuse_more(path: Path, stream: IO[bytes], num_bytes: int) -> None:
    if len(stream.read(MAX_SPARE_BYTES + 1)) > MAX_SPARE_BYTES:
        raise _too_long(path, f"{num_bytes} bytes of pixels", "more")


def _too_long(path: Path, expected: str, got: str) -> ReadError:
    return ReadError(
        what="The sizes in the header do not fit the pixel data",
        where=path,
        expected=expected,
        got=got,
        remedy="Correct the sizes in the header, or export the file again.",
    )


def _damaged(path: Path, num_bytes: int, error: Exception) -> ReadError:
    return ReadError(
        what="The pixel data is damaged or truncated",
        where=path,
        expected=f"{num_bytes} bytes of pixels",
        got=one_line(error),
        remedy="Copy or export the file again.",
    )
