"""Frames of files as pictures for programs that show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striq.atomic_files import replacing
from striq.data.cine import Cine
from striq.data.readers import find_sources
from striq.errors import ReadError
from striq.service.requests import Read

PICTURES = "pictures.npy"


def find_files(folder: str | Path) -> list[Path]:
    """Return the files in a folder and its subfolders that STRIQ reads, sorted.

    Raises:
        ReadError: If there is no such folder.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ReadError(
            what="There is no such folder",
            where=path,
            expected="a folder of ultrasound files",
            got="a file" if path.exists() else "nothing",
            remedy="Check the path.",
        )
    return [source for source in find_sources([path]) if source != path]


def write_pictures(cine: Cine, request: Read) -> Path | None:
    """Write frames of a cine as a NumPy file, shape ``(N, H, W)``, and return its path; ``None`` for no frames.

    Convention:
        - A frame that cannot be read is black, so that the others keep their numbers.

    Args:
        cine: The cine.
        request: Says which frames, how large, and where the file goes.

    Raises:
        ReadError: If none of the frames can be read.
        IndexError: If ``first`` is beyond the end.
    """
    if request.first >= len(cine):
        msg = f"{cine.source} has {len(cine)} frames, so 'first' cannot be {request.first}."
        raise IndexError(msg)
    end = len(cine) if request.count is None else min(request.first + request.count, len(cine))
    indices = range(request.first, end)
    if not indices:
        return None
    shape = _first_readable(cine, indices, request.max_side).shape
    path = Path(request.folder) / PICTURES
    with replacing(path) as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(indices), *shape)}
        np.lib.format.write_array_header_1_0(stream, header)
        for index in indices:  # one at a time: a long cine may not fit into memory
            stream.write(_picture_or_black(cine, index, request.max_side, shape).tobytes())
    return path


def _first_readable(cine: Cine, indices: range, max_side: int | None) -> NDArray[np.uint8]:
    for index in indices[:-1]:
        try:
            return _picture(cine[index].pixels, max_side)
        except ReadError:
            continue
    return _picture(cine[indices[-1]].pixels, max_side)


def _picture_or_black(cine: Cine, index: int, max_side: int | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return _picture(cine[index].pixels, max_side)
    except ReadError:
        return np.zeros(shape, np.uint8)


def _picture(pixels: NDArray[np.float32], max_side: int | None) -> NDArray[np.uint8]:
    gray = np.round(pixels * 255).astype(np.uint8)
    if max_side is None or max(gray.shape) <= max_side:
        return gray
    picture = Image.fromarray(gray)
    picture.thumbnail((max_side, max_side), Image.Resampling.BILINEAR)
    return np.asarray(picture)
