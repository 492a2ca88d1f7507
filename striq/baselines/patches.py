"""Features of patches, shared by the baselines that look for unusual patches."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.protocol import PlaneFrames

SEED = 0


def patch_features(frames: PlaneFrames) -> Tensor:
    """Return features of stages 2 and 3 on the grid of stage 3, shape ``(N, C, H, W)``."""
    _, middle, deep = frames.features.maps
    height, width = deep.shape[2:]
    return torch.cat([F.adaptive_avg_pool2d(middle, (height, width)), deep], dim=1)


def random_projection(channels: int, kept: int) -> Tensor:
    """Return a random orthogonal projection, shape ``(kept, channels)``, the same at every call."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.linalg.qr(torch.randn(channels, min(kept, channels), generator=generator)).Q.T


def project(features: Tensor, projection: Tensor) -> Tensor:
    """Return projected features, shape ``(N, K, H, W)``.

    Args:
        features: Shape ``(N, C, H, W)``.
        projection: Shape ``(K, C)``.
    """
    return torch.einsum("kc,nchw->nkhw", projection, features)
