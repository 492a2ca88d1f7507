"""Frozen features of training frames and of their random views, computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from striq.data.augmentation import ViewRanges, random_view
from striq.model.network import NUM_STAGES, Pyramid

BATCH_SIZE = 16
MOST_BYTES = 2 << 30  # in memory: 1600 frames with three views each


class FeatureCache:
    """Half-precision features of frames and views, in memory, or in memory-mapped files where they are too many.

    Args:
        embed: Makes frozen features of prepared frames.
        images: Prepared frames, shape ``(N, 1, H, W)``.
        num_views: Random views of each frame [V].
        seed: Of the views; view v of frame i is the same in every run.
        folder: Where features that take more than ``most_bytes`` are mapped to; always memory by default.
        most_bytes: What may be kept in memory.
        quiet: Do not show a progress bar.
    """

    def __init__(
        self,
        embed: Callable[[Tensor], Pyramid],
        images: Tensor,
        *,
        num_views: int,
        seed: int,
        folder: str | Path | None = None,
        most_bytes: int = MOST_BYTES,
        quiet: bool = False,
    ) -> None:
        self.num_views = num_views
        count = len(images) * (1 + num_views)
        self.transforms = torch.eye(2, 3).repeat(count, 1, 1)
        self._maps: list[Tensor] = []
        self._masks: list[Tensor] = []
        starts = range(0, count, BATCH_SIZE)
        for start in track(starts, description="Frozen features", disable=quiet, transient=True):
            rows = range(start, min(start + BATCH_SIZE, count))
            views = [self._view(images, row, seed) for row in rows]
            pyramid = embed(torch.stack(views))
            if not self._maps:
                one = sum(m[0].numel() for m in (*pyramid.maps, *pyramid.masks))
                folder = folder if count * one * torch.float16.itemsize > most_bytes else None
                self._maps = [_allocate(count, m.shape[1:], f"maps{s}", folder) for s, m in enumerate(pyramid.maps)]
                self._masks = [_allocate(count, m.shape[1:], f"masks{s}", folder) for s, m in enumerate(pyramid.masks)]
            for stage in range(NUM_STAGES):
                self._maps[stage][rows.start : rows.stop] = pyramid.maps[stage].cpu().half()
                self._masks[stage][rows.start : rows.stop] = pyramid.masks[stage].cpu().half()

    def _view(self, images: Tensor, row: int, seed: int) -> Tensor:
        frame, view = divmod(row, 1 + self.num_views)
        if view == 0:
            return images[frame]
        generator = torch.Generator().manual_seed((seed * 1_000_003 + row) % 2**63)
        image, self.transforms[row] = random_view(images[frame], ViewRanges(), generator=generator)
        return image

    def features(self, frames: Tensor | Sequence[int], views: Tensor | int = 0) -> Pyramid:
        """Return the features of frames (view 0) or of their views, in single precision.

        Args:
            frames: Indices of frames, shape ``(B,)``.
            views: Index of the view, 0 for the frame itself.
        """
        rows = self._rows(frames, views)
        return Pyramid(tuple(m[rows].float() for m in self._maps), tuple(m[rows].float() for m in self._masks))

    def known_transforms(self, frames: Tensor | Sequence[int], views: Tensor | int) -> Tensor:
        """Return the pull-backs from views to frames, shape ``(B, 2, 3)``."""
        return self.transforms[self._rows(frames, views)]

    def _rows(self, frames: Tensor | Sequence[int], views: Tensor | int) -> Tensor:
        return torch.as_tensor(frames) * (1 + self.num_views) + torch.as_tensor(views)


def _allocate(count: int, shape: Sequence[int], name: str, folder: str | Path | None) -> Tensor:
    if folder is None:
        return torch.empty(count, *shape, dtype=torch.float16)
    Path(folder).mkdir(parents=True, exist_ok=True)
    mapped = np.lib.format.open_memmap(Path(folder) / f"{name}.npy", "w+", np.float16, (count, *shape))
    return torch.from_numpy(mapped)
