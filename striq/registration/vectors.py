"""Normalization of feature vectors to unit length."""

from __future__ import annotations

from torch import Tensor

# Squared length below which a vector is scaled down to zero: such vectors are rounding errors outside the sampled area.
MIN_SQUARED_LENGTH = 1e-8


def unit_vectors(maps: Tensor) -> Tensor:
    """Return the maps with the vector at each location scaled to unit length; zero vectors stay zero.

    Equivalent to ``torch.nn.functional.normalize`` over channels, which is much slower on a CPU.

    Args:
        maps: Feature maps, shape ``(B, C, ...)``.

    Returns:
        Maps of the same shape.
    """
    return maps * inverse_length(maps)


def inverse_length(maps: Tensor) -> Tensor:
    """Return the inverse length of the vector at each location, bounded for vectors of almost no length.

    Args:
        maps: Feature maps, shape ``(B, C, ...)``.

    Returns:
        Shape ``(B, 1, ...)``.
    """
    return maps.square().sum(dim=1, keepdim=True).clamp(min=MIN_SQUARED_LENGTH).rsqrt()
