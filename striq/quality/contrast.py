"""The contrast term, of a frame by itself."""

from __future__ import annotations

from torch import Tensor

from striq.data.preprocessing import Blur, structure_contrast


def contrast(image: Tensor, blur: Blur | None = None) -> Tensor:
    """Return minus the logarithm of the contrast of a frame's own structure, shape ``(B,)``; lower is better.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        blur: As for :func:`striq.data.preprocessing.structure_richness`.
    """
    return -structure_contrast(image, blur).clamp(min=1e-6).log()
