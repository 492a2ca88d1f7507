"""Conversion of stored pixel values to gray values in [0, 1], the same for all file formats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601 luma weights of red, green and blue.
LUMA_601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def to_unit_gray(stored: NDArray[Any], *, bits_stored: int | None = None) -> NDArray[np.float32]:
    """Return the gray values of one stored image in [0, 1].

    Convention:
        - Unsigned integers are divided by their largest possible value (``bits_stored`` bits, by default all bits of
          the type), so a dark image stays dark.
        - Signed integers and floats have no declared range. They are unchanged if all lie in [0, 1], and otherwise
          rescaled from their minimum and maximum to [0, 1].
        - Color is converted to ITU-R BT.601 luma; an alpha channel is ignored.

    Args:
        stored: Pixels as stored, shape ``(H, W)`` or ``(H, W, C)`` with C = 1 (gray), 2 (gray, alpha), 3 (RGB)
            or 4 (RGBA).
        bits_stored: Number of significant bits of unsigned integers.
    """
    if stored.ndim == 3:
        stored = stored[..., 0] if stored.shape[-1] < 3 else stored[..., :3]
    with np.errstate(over="ignore", invalid="ignore"):  # the cine refuses frames with values that are not finite
        values = stored.astype(np.float32)
        if stored.dtype.kind == "u":  # converting to luma first takes a third of the time
            bits = stored.dtype.itemsize * 8 if bits_stored is None else bits_stored
            return np.minimum(_luma(values) / np.float32(2**bits - 1), np.float32(1.0))
        values = _rescale(values)
        return values if values.ndim == 2 else np.minimum(_luma(values), np.float32(1.0))


def _luma(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values if values.ndim == 2 else values @ LUMA_601


def _rescale(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = values.min(), values.max()
    if (low >= 0.0 and high <= 1.0) or not (np.isfinite(low) and np.isfinite(high)):
        return values
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
