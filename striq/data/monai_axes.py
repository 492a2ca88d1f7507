"""Axes of tensors that MONAI's readers made: colors, columns, rows, the reverse of an array's rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from striq.errors import ReadError

FILE, SHAPE, AFFINE = "filename_or_obj", "spatial_shape", "original_affine"  # keys that MONAI's readers set
TOLERANCE = 1e-6


def name_in_monai(image: Any) -> str:
    """Return the file of a MetaTensor, or an empty string."""
    name = _meta(image).get(FILE, "")
    return name if isinstance(name, str) else ""


def axes_of_monai(image: Any, where: str | Path) -> str | None:
    """Return the axes of a MetaTensor that one of MONAI's readers made, ``None`` of anything else.

    Convention:
        - The first spatial axis of such a tensor runs along the rows of the picture, the second down its columns; a
          channel axis comes first (``EnsureChannelFirst``) or, in colors without it, last.

    Args:
        image: MetaTensor, or anything else.
        where: Name of the tensor, for messages.

    Raises:
        ReadError: If the picture was turned or mirrored after it was read, or its axes cannot be told.
    """
    meta = _meta(image)
    if FILE not in meta or SHAPE not in meta:
        return None
    if _is_turned(meta):
        raise ReadError(
            what="The picture was turned or mirrored after it was read",
            where=where,
            expected="the picture as MONAI's readers return it",
            got=f"affine {np.asarray(meta['affine'])[:2, :2].round(3).tolist()}",
            remedy="Leave out such transforms, or name the axes of the tensor as it is now: axes='CHW'.",
        )
    shape = tuple(image.shape)
    if len(shape) == 2:
        return "WH"
    if len(shape) == 3 and (shape[0] == 1 or (shape[0] in (3, 4) and meta.get("mode") in ("RGB", "RGBA"))):
        return "CWH"
    if len(shape) == 3 and shape[2] in (3, 4) and shape[0] > 4:
        return "WHC"
    raise ReadError(
        what="It cannot be told which axes of the MetaTensor are which",
        where=where,
        expected="one image, shape (W, H), (1, W, H), or (3, W, H) in colors, as MONAI reads them",
        got=f"shape {shape}",
        remedy="Give the path of the file instead, or name the axes, such as axes='TWH'.",
    )


def _meta(image: Any) -> Mapping[str, Any]:
    meta = getattr(image, "meta", None)
    return cast("Mapping[str, Any]", meta) if isinstance(meta, dict) else {}


def _is_turned(meta: Mapping[str, Any]) -> bool:
    now = np.asarray(meta["affine"], dtype=float)[:2, :2] if "affine" in meta else np.eye(2)
    read = np.asarray(meta[AFFINE], dtype=float)[:2, :2] if AFFINE in meta else np.eye(2)
    moved = np.linalg.pinv(read) @ now
    size = np.abs(moved).max()
    return bool(np.abs(moved[[0, 1], [1, 0]]).max() > TOLERANCE * size or np.diag(moved).min() <= 0)
