"""Feature vectors of unit length."""

from __future__ import annotations

from torch import Tensor

SHORTEST = 1e-8  # squared length below which a vector shrinks to zero: what rounding leaves where nothing was sampled


def unit_vectors(maps: Tensor) -> Tensor:
    """Return the maps with the vector at each location scaled to unit length, zero where it is zero, same shape.

    As ``torch.nn.functional.normalize`` over channels, whose norm takes far longer on a CPU.

    Args:
        maps: Feature maps, shape ``(B, C, ...)``.
    """
    return maps * per_length(maps)


def per_length(maps: Tensor) -> Tensor:
    """Return one over the length of the vector at each location, of vectors shorter than rounding errors less.

    Args:
        maps: Feature maps, shape ``(B, C, ...)``.

    Returns:
        Shape ``(B, 1, ...)``.
    """
    return maps.square().sum(dim=1, keepdim=True).clamp(min=SHORTEST).rsqrt()
