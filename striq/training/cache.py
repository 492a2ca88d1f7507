"""Frozen features of training frames and of their random views, computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from striq.data.frame_images import plain_tensor
from striq.data.transforms import IMAGE, TRANSFORM, Augmentation, RandomView
from striq.model.network import NUM_STAGES, Pyramid
from striq.progress_bar import track

BATCH_SIZE = 16
MAX_BYTES = 2 << 30  # in memory: 1600 frames with three views each


@dataclass(frozen=True)
class ViewSettings:
    """Random views of each frame.

    Attributes:
        count: Views of each frame [V].
        seed: View v of frame i is the same in every run with the same seed.
        augmentation: Turns a frame into a view and notes the transform.
    """

    count: int = 3
    seed: int = 0
    augmentation: Augmentation = field(default_factory=RandomView)

    def view(self, image: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Return a view ``(1, H, W)`` of a prepared frame and its pull-back ``(2, 3)`` from view to frame.

        Args:
            image: Prepared frame, shape ``(1, H, W)``.
            number: Number of the view among all views of all frames.

        Raises:
            ValueError: If the augmentation does not say which transform it applied.
        """
        self.augmentation.set_random_state(seed=(self.seed * 1_000_003 + number) % 2**63)
        view = self.augmentation({IMAGE: image})
        if TRANSFORM not in view:
            msg = (
                f"The augmentation left no {TRANSFORM!r} in its output, got: {', '.join(map(str, view))}. Training "
                f"needs the 2x3 pull-back from view to frame: begin with striq.data.transforms.RandomView."
            )
            raise ValueError(msg)
        return plain_tensor(view[IMAGE]), plain_tensor(view[TRANSFORM])


class FeatureCache:
    """Half-precision features of frames and views, in memory, or in memory-mapped files where they do not fit.

    Args:
        images: Prepared frames, shape ``(N, 1, H, W)``.
        views: Random views of each frame.
        folder: Where features that take more than ``max_bytes`` are mapped to; always memory by default.
        max_bytes: Largest size in memory.
        quiet: Hide the progress bar.
    """

    def __init__(
        self,
        images: Tensor,
        views: ViewSettings,
        *,
        folder: str | Path | None = None,
        max_bytes: int = MAX_BYTES,
        quiet: bool = False,
    ) -> None:
        self.views = views
        self._images, self._folder, self._max_bytes, self._quiet = images, folder, max_bytes, quiet
        self.transforms = torch.eye(2, 3).repeat(len(images) * (1 + views.count), 1, 1)
        self._maps: list[Tensor] = []
        self._masks: list[Tensor] = []
        self._device = torch.device("cpu")

    @torch.no_grad()
    def fill(self, embed: Callable[[Tensor], Pyramid], device: torch.device) -> None:
        """Compute all features; a filled cache stays as it is.

        Args:
            embed: Makes frozen features of prepared frames ``(B, 1, H, W)``.
            device: Where it computes, and where features are wanted; they are stored in the memory of the CPU.
        """
        self._device = device
        if self._maps:
            return
        starts = range(0, len(self.transforms), BATCH_SIZE)
        for start in track(starts, description="Frozen features", quiet=self._quiet):
            rows = range(start, min(start + BATCH_SIZE, len(self.transforms)))
            pyramid = embed(torch.stack([self._image(row) for row in rows]).to(device))
            if not self._maps:
                self._allocate(pyramid)
            for stage in range(NUM_STAGES):
                self._maps[stage][rows.start : rows.stop] = pyramid.maps[stage].cpu().half()
                self._masks[stage][rows.start : rows.stop] = pyramid.masks[stage].cpu().half()

    def features(self, frames: Tensor | Sequence[int], views: Tensor | int = 0) -> Pyramid:
        """Return the features of frames (view 0) or of their views, in single precision.

        Args:
            frames: Indices of frames, shape ``(B,)``.
            views: Index of the view, 0 for the frame itself.

        Raises:
            RuntimeError: If the cache has not been filled.
        """
        if not self._maps:
            msg = "The feature cache is empty. Call prepare() of the calibration first."
            raise RuntimeError(msg)
        rows = self._rows(frames, views)
        maps, masks = (tuple(m[rows].to(self._device).float() for m in part) for part in (self._maps, self._masks))
        return Pyramid(maps, masks)

    def known_transforms(self, frames: Tensor | Sequence[int], views: Tensor | int) -> Tensor:
        """Return the pull-backs from views to frames, shape ``(B, 2, 3)``."""
        return self.transforms[self._rows(frames, views)]

    def _image(self, row: int) -> Tensor:
        frame, view = divmod(row, 1 + self.views.count)
        if view == 0:
            return self._images[frame]
        image, self.transforms[row] = self.views.view(self._images[frame], row)
        return image

    def _allocate(self, pyramid: Pyramid) -> None:
        count = len(self.transforms)
        bytes_per_row = torch.float16.itemsize * sum(m[0].numel() for m in (*pyramid.maps, *pyramid.masks))
        folder = self._folder if count * bytes_per_row > self._max_bytes else None
        self._maps = [_new(count, m.shape[1:], f"maps{s}", folder) for s, m in enumerate(pyramid.maps)]
        self._masks = [_new(count, m.shape[1:], f"masks{s}", folder) for s, m in enumerate(pyramid.masks)]

    def _rows(self, frames: Tensor | Sequence[int], views: Tensor | int) -> Tensor:
        return torch.as_tensor(frames) * (1 + self.views.count) + torch.as_tensor(views)


def _new(count: int, shape: Sequence[int], name: str, folder: str | Path | None) -> Tensor:
    if folder is None:
        return torch.empty(count, *shape, dtype=torch.float16)
    Path(folder).mkdir(parents=True, exist_ok=True)
    mapped = np.lib.format.open_memmap(Path(folder) / f"{name}.npy", "w+", np.float16, (count, *shape))
    return torch.from_numpy(mapped)
