"""Whatever holds frames as cines: files and folders, arrays, tensors and pictures, by the rules of the readers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from striq.data.array_axes import as_frames
from striq.data.cine import Cine
from striq.data.monai_axes import axes_of_monai, name_in_monai
from striq.data.readers import find_sources, open_cine
from striq.data.readers.images import is_inverted, pictures_of
from striq.data.readers.intensity import GrayRange, range_of_depth, range_of_type, recognized_range
from striq.data.readers.tint import luma_of_white, untinted
from striq.errors import ReadError, StriqError
from striq.types import Frame

logger = logging.getLogger(__name__)
DARKEST_WHITE = 1.5 / 255  # a picture in [0, 1] that is no brighter was divided by 255 twice
UNNAMED = "image"  # source of an image that comes from no file
KNOWN = "a path, Frame, Cine, NumPy array, PyTorch tensor, MetaTensor or PIL image, or several of one kind"


class Reading(NamedTuple):
    """How the values of arrays, tensors and pictures are to be read.

    Attributes:
        axes: As for :func:`striq.data.array_axes.as_frames`; told from the shape by default.
        value_range: Values that are black and white; told from type and values by default.
    """

    axes: str | None = None
    value_range: tuple[float, float] | None = None


def as_cine(
    image: Any,
    *,
    axes: str | None = None,
    value_range: tuple[float, float] | None = None,
    spacing_mm: tuple[float, float] | None = None,
    source: str = "",
) -> Cine:
    """Return an array, tensor or picture as a cine; a still image is a cine of one frame.

    Convention:
        - 8-bit and Boolean values, floats in [0, 1] and nonnegative whole numbers have the gray values that they would
          have in a file (:func:`striq.data.readers.intensity.used_range`). Other values are refused unless
          ``value_range`` is given; then values outside it are black or white.
        - A tensor that one of MONAI's readers made has MONAI's axes, (C, W, H); any other is read as an array.

    Args:
        image: NumPy array, PyTorch tensor, MONAI MetaTensor, or PIL image.
        axes: As for :func:`striq.data.array_axes.as_frames`; told from the shape by default.
        value_range: Values that are black and white.
        spacing_mm: Distance between neighboring rows, then columns.
        source: Name in results and messages; that of the picture's file by default.

    Raises:
        ReadError: If the axes or the range of values cannot be told.
        TypeError: If it is none of these.
    """
    name = source or _name_of(image) or UNNAMED
    inverted = isinstance(image, Image.Image) and is_inverted(image)
    frames = pictures_of(image) if isinstance(image, Image.Image) else _frames(image, name, axes)
    values = _range(frames, name, value_range)
    white = luma_of_white(frames[0]) if frames.ndim == 4 and frames.shape[-1] >= 3 else 1.0

    def read(index: int) -> NDArray[np.float32]:
        gray = untinted(values.apply(frames[index]), white)
        return np.float32(1.0) - gray if inverted else gray

    return Cine(name, len(frames), read, spacing_mm=spacing_mm)


def open_each(given: Any, reading: Reading) -> Iterator[Cine | StriqError]:
    """Yield the cines of paths, cines, arrays and pictures, or of an iterable of them, as they are asked for.

    A file that cannot be opened is its error, so that it does not keep the others out.

    Args:
        given: What to open; folders are searched.
        reading: How to read arrays.

    Raises:
        TypeError: If something holds no frames.
    """
    if is_path(given):
        for path in find_sources([given]):
            try:
                yield open_cine(path)
            except StriqError as error:
                yield error
    elif isinstance(given, Cine):
        yield given
    elif is_single(given):
        yield as_cine(given, axes=reading.axes, value_range=reading.value_range)
    else:
        for number, one in enumerate(_iterate(given)):
            if is_path(one) or isinstance(one, Cine):
                yield from open_each(one, reading)
            elif is_single(one):
                name = _name_of(one) or f"{UNNAMED} {number}"
                try:
                    yield as_cine(one, axes=reading.axes, value_range=reading.value_range, source=name)
                except StriqError as error:
                    yield error
            else:
                raise TypeError(_unknown(one))


def is_path(given: Any) -> bool:
    """Return whether something names a file or folder."""
    return isinstance(given, str | os.PathLike)


def is_single(given: Any) -> bool:
    """Return whether something is one array, tensor, picture or frame, and not several of them."""
    return isinstance(given, Frame | Image.Image | Tensor) or hasattr(given, "__array__")


def _iterate(given: Any) -> Iterator[Any]:
    try:
        return iter(given)
    except TypeError:
        raise TypeError(_unknown(given)) from None


def _unknown(given: Any) -> str:
    return f"Frames cannot be taken from {type(given).__name__!r}. Give {KNOWN}."


def _name_of(image: Any) -> str:
    if isinstance(image, Image.Image):
        return str(getattr(image, "filename", "") or "")
    return name_in_monai(image)


def _frames(image: Any, where: str, axes: str | None) -> NDArray[Any]:
    array = _as_array(image)
    if array.dtype.kind not in "buif":
        raise _refused(where, "pixels that are numbers", f"type {array.dtype}", "Convert them to uint8.")
    return as_frames(array, where, axes_of_monai(image, where) if axes is None else axes)


def _as_array(image: Any) -> NDArray[Any]:
    """Return the values of an array or tensor, without gradients and on the CPU."""
    if isinstance(image, Tensor):
        plain = image.detach().as_subclass(torch.Tensor).cpu()
        return (plain.float() if plain.is_floating_point() else plain).numpy()
    if not hasattr(image, "__array__"):
        raise TypeError(_unknown(image))
    return np.asarray(image)


def _range(frames: NDArray[Any], where: str, stated: tuple[float, float] | None) -> GrayRange:
    """Return the values that are black and white in all frames."""
    if stated is not None:
        black, white = stated
        if not (np.isfinite([black, white]).all() and black < white):
            raise _refused(
                where, "'value_range' of two numbers, black below white", str(stated), "Swap or correct them."
            )
        return GrayRange(float(black), float(white))
    known = range_of_type(frames.dtype)
    if known is not None:
        return known
    found = recognized_range(frames)
    finite = frames[np.isfinite(frames)] if frames.dtype.kind == "f" else frames
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    too_dark = found == GrayRange(0.0, 1.0) and 0 < high <= DARKEST_WHITE
    if found is None or too_dark:
        raise _refused(
            where,
            "uint8, floats in [0, 1], or nonnegative whole numbers",
            f"{frames.dtype} from {low:.4g} to {high:.4g}",
            "Say which values are black and white, as they were before any normalization: value_range=(0, 255).",
        )
    if found not in {GrayRange(0.0, 1.0), range_of_depth(frames.dtype.itemsize * 8)}:
        logger.warning("%s: by its values, %g is black and %g is white.", where, found.black, found.white)
    return found


def _refused(where: str, expected: str, got: str, remedy: str) -> ReadError:
    what = "It cannot be told which values are black and white"
    return ReadError(what=what, where=where, expected=expected, got=got, remedy=remedy)
