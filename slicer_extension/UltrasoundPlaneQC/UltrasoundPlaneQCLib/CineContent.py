"""Checksum of the content of a cine, computed in small steps."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .FrameSource import FrameSource

CHUNK_BYTES = 2**20


class ContentHash:
    """SHA-256 of a file, or of the pixels of frames in the scene.

    Args:
        source: Path of a file, or frames.
    """

    def __init__(self, source: Path | FrameSource) -> None:
        self._hash = hashlib.sha256()
        self._parts = _bytesOfFile(source) if isinstance(source, Path) else _bytesOfFrames(source)

    def advance(self, seconds: float) -> str | None:
        """Continue for some time; return the checksum once it is known, ``None`` before.

        Raises:
            OSError: If the file cannot be read.
        """
        until = time.monotonic() + seconds
        for part in self._parts:
            self._hash.update(part)
            if time.monotonic() > until:
                return None
        return self._hash.hexdigest()


def _bytesOfFile(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _bytesOfFrames(source: FrameSource) -> Iterator[bytes]:
    for index in range(source.numFrames):
        picture = source.frame(index)
        yield f"{picture.shape} {picture.dtype}".encode()
        yield np.ascontiguousarray(picture).tobytes()
