"""Frames as images of MONAI, which carry where they come from through all transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.utils.type_conversion import convert_to_tensor
from torch import Tensor

from striq.data.preprocessing import Box, crop_and_prepare
from striq.errors import ReadError
from striq.types import Frame

# Metadata of an image; the first is MONAI's name.
PATH_KEY, FRAME, SPACING, CROP = "filename_or_obj", "frame", "spacing_mm", "crop"
FAN = "fan"  # finds the fan of a cine; only between reading and preparing


def plain_tensor(value: Any) -> Tensor:
    """Return an array or one of MONAI's tensors as a tensor without metadata."""
    return convert_to_tensor(value, track_meta=False)


def frame_image(frame: Frame) -> MetaTensor:
    """Return the gray values of a frame with its metadata, shape ``(1, H, W)``; ``LoadFrame`` lists the metadata."""
    meta: dict[str, Any] = {PATH_KEY: frame.source, FRAME: frame.index}
    if frame.fan is not None:
        meta[FAN] = frame.fan
    affine = torch.eye(4, dtype=torch.float64)
    if frame.spacing_mm is not None:
        meta[SPACING] = frame.spacing_mm
        affine[0, 0], affine[1, 1] = frame.spacing_mm
    return MetaTensor(torch.from_numpy(np.array(frame.pixels, np.float32))[None], affine=affine, meta=meta)


def prepare_image(image: Any, size: tuple[int, int]) -> MetaTensor:
    """Return an image of one frame cropped to its fan and resampled, with its metadata; ``PrepareFramed`` lists it.

    Args:
        image: Gray values in [0, 1], with or without metadata, shape ``(1, H, W)``.
        size: Rows and columns of the prepared image.

    Raises:
        ReadError: If it has more than one channel, or its fan is too small.
    """
    meta = image.meta if isinstance(image, MetaTensor) else {}
    pixels = plain_tensor(image)
    if pixels.ndim != 3 or pixels.shape[0] != 1:
        raise ReadError(
            what="The image has a wrong shape",
            where=str(meta.get(PATH_KEY, "an image in memory")),
            expected="one channel of rows and columns, (1, H, W)",
            got=f"{tuple(pixels.shape)}",
            remedy="Give one gray frame, channel first.",
        )
    source, index = str(meta.get(PATH_KEY, "")), int(meta.get(FRAME, 0))
    frame = Frame(pixels[0].float().numpy(), source=source, index=index, fan=meta.get(FAN))
    prepared, box = crop_and_prepare(frame, size)
    affine = image.affine if isinstance(image, MetaTensor) else torch.eye(4, dtype=torch.float64)
    kept = {name: value for name, value in meta.items() if name not in ("affine", FAN)}
    return MetaTensor(prepared, affine=affine @ _crop_affine(box, size), meta={**kept, CROP: box})


def _crop_affine(box: Box, size: tuple[int, int]) -> Tensor:
    """Return the matrix from (row, column) of the prepared image to (row, column) of the frame, shape ``(4, 4)``."""
    affine = torch.eye(4, dtype=torch.float64)
    for axis, (start, end, length) in enumerate(((box[0], box[2], size[0]), (box[1], box[3], size[1]))):
        step = (end - start) / length
        affine[axis, axis], affine[axis, 3] = step, start + step / 2 - 0.5  # pixels are counted at their centers
    return affine


def with_metadata_of(image: Any, values: Tensor) -> Tensor:
    """Return values as an image with the metadata of another, if that has any."""
    return MetaTensor(values, meta=image.meta) if isinstance(image, MetaTensor) else values
