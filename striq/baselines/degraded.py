"""Degraded copies of training frames, shared by the baselines that learn from them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from striq.baselines.protocol import PlaneFrames
from striq.data.degradation import DEGRADATIONS, degrade


def degraded_copies(frames: PlaneFrames, severities: Sequence[float]) -> list[PlaneFrames]:
    """Return the frames as they are, then with each degradation at each severity."""
    copies = [frames]
    for kind, severity in itertools.product(DEGRADATIONS, severities):
        images = [degrade(image, kind, severity, seed=i) for i, image in enumerate(frames.images)]
        copies.append(frames.with_images(torch.stack(images)))
    return copies
