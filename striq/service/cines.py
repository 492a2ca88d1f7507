"""The cine that a command names: a file that STRIQ reads, or a NumPy array of pictures."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers import open_cine
from striq.data.readers.gray_frames import GrayFrames
from striq.data.readers.limits import refuse_large_frame
from striq.errors import ReadError
from striq.types import FrameScore

if TYPE_CHECKING:  # these import PyTorch, which a client that prepares pictures does not need
    from striq.data.preprocessing import Box
    from striq.service.requests import CineRequest

logger = logging.getLogger(__name__)
NUM_COMPARED = 3  # pictures, evenly spaced, that are compared with those of the original file
MAX_MEAN_DIFFERENCE = 1 / 255
LARGE_DIFFERENCE, MAX_LARGE_SHARE = 0.1, 1e-3  # of the pixels: converted colors differ by more at few places
EXACT = 1e-3  # of a gray level of 8 bits
PICTURE_KINDS = "biuf"  # NumPy's letters for truth values, integers and floats


def open_requested(request: CineRequest) -> Cine:
    """Return the cine of a command, read one frame at a time.

    Raises:
        ReadError: If it cannot be read.
        ValueError: If ``times_s`` does not give one time per frame.
    """
    if request.file:
        return open_cine(request.file)
    path, spacing = Path(request.frames or ""), request.spacing_mm
    stored = _open_array(path)
    pictures = Cine(
        request.source or path.name,
        len(stored),
        _gray(stored, request.source or path.name),
        spacing_mm=None if spacing is None else (spacing[0], spacing[1]),
        times_s=request.times_s,
    )
    if not request.original:
        return pictures
    return _from_original(pictures, request.original, request.original_index, stored.shape[1:3]) or pictures


def gray_of_original(frames: Path, original: str, first: int) -> tuple[NDArray[np.uint8], Box] | None:
    """Return pictures with the gray values and the crop of the file that they were read from, and the crop.

    ``None`` where the file shows something else, cannot be read, or has more than 8 bits.

    Args:
        frames: NumPy file of the pictures.
        original: The file.
        first: Number of the first picture in it.
    """
    stored = _open_array(frames)
    pictures = Cine(frames.name, len(stored), _gray(stored, frames.name))
    shape = cast("tuple[int, int]", stored.shape[1:3])
    cine = _from_original(pictures, original, first, shape)
    if cine is None:
        return None
    gray = np.stack([cine[index].pixels for index in range(len(cine))]) * np.float32(255)
    whole = np.round(gray)
    if not np.allclose(gray, whole, rtol=0, atol=EXACT):
        return None
    return whole.astype(np.uint8), cine.crop or (0, 0, *shape)


def _gray(stored: NDArray[Any], source: str) -> GrayFrames:
    return GrayFrames(source, len(stored), lambda index: np.array(stored[index]))


def picture_shape(request: CineRequest) -> tuple[int, int]:
    """Return height and width of the pictures in the NumPy file of a command."""
    height, width = _open_array(Path(request.frames or "")).shape[1:3]
    return height, width


def on_picture(score: FrameScore, frame_crop: Box | None) -> FrameScore:
    """Return a score whose crop is in pixels of the whole picture.

    Args:
        score: Score of a frame.
        frame_crop: Part of the picture that is the frame, ``None`` for all of it.
    """
    if frame_crop is None:
        return score
    top, left = frame_crop[:2]
    crop = score.crop
    return replace(score, crop=(crop[0] + top, crop[1] + left, crop[2] + top, crop[3] + left))


def _from_original(pictures: Cine, original: str, first: int, shape: tuple[int, ...]) -> Cine | None:
    """Return the cine of pictures with the gray values and the crop of the file that they were read from.

    A program that converts luma and chroma to RGB clips colors, so that the luma cannot be recovered from its pixels.
    ``None`` if the file cannot be read, or if it shows something else: the pictures may have been edited.
    """
    try:
        cine = open_cine(original)
        if not 0 <= first <= len(cine) - len(pictures):
            return None
        compared = sorted({round(place) for place in np.linspace(0, len(pictures) - 1, NUM_COMPARED)})
        if not all(
            _is_same(cine[first + index].pixels, pictures[index].pixels, cine.crop, shape) for index in compared
        ):
            return None
    except ReadError as error:
        logger.info("%s: the pictures are scored as they are: %s", original, error)
        return None

    def read(index: int) -> NDArray[np.float32]:
        pixels = cine[first + index].pixels
        if not _is_same(pixels, pictures[index].pixels, cine.crop, shape):
            raise ReadError(
                what="The picture differs from the file that it was read from",
                where=f"{pictures.source}, frame {index}",
                expected=f"frame {first + index} of {original}",
                got="other gray values",
                remedy="Load the file again, or save the edited pictures and load those.",
            )
        if cine.crop is None:
            return pixels
        whole = np.zeros(shape, np.float32)
        top, left, bottom, right = cine.crop
        whole[top:bottom, left:right] = pixels
        return whole

    return Cine(
        pictures.source,
        len(pictures),
        read,
        spacing_mm=pictures.spacing_mm,
        times_s=pictures.times_s,
        crop=cine.crop,
        fan=cine.fan,
    )


def _is_same(
    by_file: NDArray[np.float32], by_picture: NDArray[np.float32], crop: Box | None, shape: tuple[int, ...]
) -> bool:
    """Return whether two frames show the same but for the conversion of colors."""
    if by_picture.shape != shape:
        return False
    if crop is not None:
        top, left, bottom, right = crop
        by_picture = by_picture[top:bottom, left:right]
    if by_file.shape != by_picture.shape:
        return False
    difference = np.abs(by_file - by_picture)
    large = float((difference > LARGE_DIFFERENCE).mean())
    return float(difference.mean()) <= MAX_MEAN_DIFFERENCE and large <= MAX_LARGE_SHARE


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
