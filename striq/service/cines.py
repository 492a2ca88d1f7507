"""The cine that a command names: a file that STRIQ reads, or a NumPy array of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers import open_cine
from striq.data.readers.gray_frames import GrayFrames
from striq.data.readers.limits import refuse_large_frame
from striq.errors import ReadError
from striq.service.requests import CineRequest

PICTURE_KINDS = "biuf"  # NumPy's letters for truth values, integers and floats


def open_requested(request: CineRequest) -> Cine:
    """Return the cine of a command, read one frame at a time.

    Raises:
        ReadError: If it cannot be read.
        ValueError: If ``times_s`` does not give one time per frame.
    """
    if request.file:
        return open_cine(request.file)
    path = Path(request.frames or "")
    stored = _open_array(path)
    spacing, source = request.spacing_mm, request.source or path.name
    return Cine(
        source,
        len(stored),
        GrayFrames(source, len(stored), lambda index: np.array(stored[index])),
        spacing_mm=None if spacing is None else (spacing[0], spacing[1]),
        times_s=request.times_s,
    )


def _open_array(path: Path) -> NDArray[Any]:
    expected, remedy = "an array of shape (N, H, W) or (N, H, W, C)", "Write it with numpy.save, the frames first."
    if not path.is_file():  # opening a pipe would wait for ever
        what = "There is no such file"
        raise ReadError(what, where=path, expected=expected, got="no regular file", remedy="Check the path.")
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        what = "This is not a NumPy file of pictures"
        raise ReadError(what, where=path, expected=expected, got=str(error), remedy=remedy) from error
    if not isinstance(stored, np.ndarray):
        what = "This is an archive of arrays"
        raise ReadError(what, where=path, expected=expected, got="an .npz file", remedy=remedy)
    pictures = cast("NDArray[Any]", stored)
    if pictures.ndim not in (3, 4) or 0 in pictures.shape or pictures.dtype.kind not in PICTURE_KINDS:
        what, got = "This is not a stack of pictures", f"shape {pictures.shape} of type {pictures.dtype}"
        raise ReadError(what, where=path, expected=expected, got=got, remedy=remedy)
    refuse_large_frame(path, *pictures.shape[1:3])
    return pictures
