"""Pairs of frames for MONAI's trainer: a data set of indices, its order in each epoch, and the batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from striq.training.calibration import Calibration
from striq.training.objective import PairBatch


class PairDataset(Dataset[dict[str, int]]):
    """Indices of a frame, a random view of it, and a random frame of the same plane and side; redrawn in each epoch.

    Args:
        data: Calibration with the frames.
        seed: The same seed and epoch give the same pairs.
        held_out: Pairs of the held-out groups for validation, the same in every epoch.
    """

    def __init__(self, data: Calibration, *, seed: int = 0, held_out: bool = False) -> None:
        self.calibration, self.seed, self.held_out = data, seed, held_out
        self.frames = (data.frames.held_out == held_out).nonzero().squeeze(1)
        self.epoch = 0

    @property
    def data(self) -> Sequence[Any]:
        """The records behind the pairs."""
        return [self.calibration.frames.records[int(frame)] for frame in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> dict[str, int]:
        epoch, frame = 0 if self.held_out else self.epoch, int(self.frames[index])
        generator = torch.Generator().manual_seed((self.seed * 7919 + epoch) * 1_000_003 + frame)
        partners = self.calibration.partners_of(frame)
        partner = partners[torch.randint(len(partners), (1,), generator=generator)]
        view = 1 + torch.randint(self.calibration.cache.views.count, (1,), generator=generator)
        return {"frame": frame, "partner": int(partner), "view": int(view)}


class EpochOrder(Sampler[int]):
    """A random order of pairs that depends on seed and epoch only, so a resumed training sees the same batches.

    Args:
        pairs: Pairs of the current epoch.
        seed: Seed of the orders.
    """

    def __init__(self, pairs: PairDataset, *, seed: int) -> None:
        self.pairs, self.seed = pairs, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 7919 + self.pairs.epoch)
        yield from torch.randperm(len(self.pairs), generator=generator).tolist()


class PairBatcher:
    """The trainer's ``prepare_batch``: turns a batch of indices into features on the device.

    Args:
        calibration: Calibration with the cached features.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration

    def __call__(
        self,
        batchdata: Mapping[str, Tensor],
        device: torch.device | str | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[PairBatch, Tensor]:
        """Return the network's input and the known transforms."""
        del non_blocking, kwargs
        target, cache = torch.device(device or "cpu"), self.calibration.cache
        frame, view = batchdata["frame"], batchdata["view"]
        known = cache.known_transforms(frame, view).to(target)
        batch = PairBatch(
            frames=cache.features(frame).to(target),
            views=cache.features(frame, view).to(target),
            partners=cache.features(batchdata["partner"]).to(target),
            planes=self.calibration.planes[frame].to(target),
            transforms=known,
        )
        return batch, known
