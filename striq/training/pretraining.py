"""Self-supervised pretraining: tissue is recognized after a known change of pose and look, and its look is kept.

Dense contrastive learning: a location of one view must pick, among the locations of another view of the same frame,
the one its known transform sends it to. It is judged after a linear head, so that the maps themselves need not forget
what differs between views; a linear decoder of each map has to give back the gray values under it, so that they do not.
(Without it, what makes a frame a good one is unlearned as a nuisance: docs/experiments.md.) No plane, no quality label
is used. The result is a file with the backbone, and the heads as the aligner's first projections.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from striq.atomic_files import replacing
from striq.config import AlignerConfig, EncoderConfig
from striq.data.augmentation import ViewRanges, change_appearance, extend_beyond_fan, move, random_transform
from striq.model.encoder import HEAD, STAGE_CHANNELS, STAGE_STRIDES, FrozenEncoder
from striq.registration.affine import compose_affine, invert_affine, pixel_grid, transform_points
from striq.registration.vectors import unit_vectors

logger = logging.getLogger(__name__)
SAVING_INTERVAL = 100  # steps
QUERIES = 400  # locations of a map that have to find their counterpart in a step
SIDE = 4  # gray values per side that a location has to give back


@dataclass(frozen=True)
class PretrainingConfig:
    """Settings of the pretraining.

    Attributes:
        steps: Optimizer steps.
        batch_size: Pairs of views of a step.
        crop: Side of the random crop, pixels; the scale of tissue stays that of a whole frame.
        learning_rate: Peak of a one-cycle schedule of AdamW.
        temperature: Of the contrastive loss.
        decoding_weight: Weight of the decoders' squared error, in units of the variance of gray values.
        seed: Of everything random.
    """

    steps: int = 1600
    batch_size: int = 12
    crop: int = 160
    learning_rate: float = 2e-3
    temperature: float = 0.1
    decoding_weight: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class _Views:
    """Crops of two views, ``(B, 1, S, S)``, and the pull-backs from the second to the first, ``(B, 2, 3)``."""

    first: Tensor
    second: Tensor
    transforms: Tensor


def pretrain_backbone(
    images: Tensor,
    path: str | Path,
    config: PretrainingConfig | None = None,
    *,
    resume: bool = False,
    quiet: bool = False,
) -> Path:
    """Pretrain the backbone on unlabeled frames, write it, and return the path.

    Args:
        images: Prepared frames, shape ``(N, 1, H, W)``.
        path: Where the state dict goes, in half precision; the state of an unfinished run is kept beside it.
        config: Settings.
        resume: Go on where an interrupted run with the same frames and settings stopped.
        quiet: Do not show progress.
    """
    config = config or PretrainingConfig()
    path, unfinished = Path(path), Path(f"{path}.unfinished")
    run = _Run(config)
    if resume and unfinished.is_file():
        run.restore(torch.load(unfinished, weights_only=True))
    extended = torch.stack([extend_beyond_fan(image) for image in images])
    steps = range(run.step, config.steps)
    for _ in track(steps, description="Pretraining", disable=quiet):
        loss = run.advance(extended)
        if run.step % SAVING_INTERVAL == 0:
            logger.info("Step %d: loss %.3f", run.step, loss)
            with replacing(unfinished) as stream:
                torch.save(run.state(), stream)
    _save(run, path)
    unfinished.unlink(missing_ok=True)
    return path


class _Run:
    """A pretraining between two steps."""

    def __init__(self, config: PretrainingConfig) -> None:
        self.config, self.step = config, 0
        self.generator = torch.Generator().manual_seed(config.seed)
        self.encoder = FrozenEncoder(EncoderConfig(seed=config.seed))
        self.encoder.backbone.requires_grad_(requires_grad=True)
        self.encoder.backbone.train()
        self.heads, self.decoders = _linear_maps(config.seed)
        learned = (self.encoder.backbone, self.heads, self.decoders)
        parameters = [parameter for part in learned for parameter in part.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, config.learning_rate, weight_decay=1e-4)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, config.learning_rate, total_steps=config.steps
        )

    def advance(self, extended: Tensor) -> float:
        """Make one optimizer step and return the loss before it."""
        views = _draw(extended, self.config, self.generator)
        stages = self.encoder.stages(torch.cat([views.first, views.second]))
        loss = self._contrast(stages, views) + self.config.decoding_weight * self._decoding_error(stages, views)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return loss.item()

    def _contrast(self, stages: Sequence[Tensor], views: _Views) -> Tensor:
        losses = []
        for head, maps in zip(self.heads, stages, strict=True):
            first, second = unit_vectors(head(maps)).chunk(2)
            losses.append(_location_loss(first, second, views.transforms, self.config.temperature, self.generator))
        return torch.stack(losses).mean()

    def _decoding_error(self, stages: Sequence[Tensor], views: _Views) -> Tensor:
        gray = torch.cat([views.first, views.second])
        errors = []
        for decoder, maps, stride in zip(self.decoders, stages, STAGE_STRIDES, strict=True):
            under = F.pixel_unshuffle(F.avg_pool2d(gray, stride // SIDE), SIDE)
            errors.append(F.mse_loss(decoder(maps), under) / under.var())
        return torch.stack(errors).mean()

    def _parts(self) -> dict[str, Any]:
        return {
            "backbone": self.encoder.backbone,
            "heads": self.heads,
            "decoders": self.decoders,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {**parts, "generator": self.generator.get_state(), "step": self.step}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.step = state["step"]


def _linear_maps(seed: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = zip(STAGE_CHANNELS, AlignerConfig().projections, strict=True)
        heads = nn.ModuleList(nn.Conv2d(full, kept, 1, bias=False) for full, kept in widths)
        return heads, nn.ModuleList(nn.Conv2d(full, SIDE**2, 1) for full in STAGE_CHANNELS)


def _draw(extended: Tensor, config: PretrainingConfig, generator: torch.Generator) -> _Views:
    ranges = ViewRanges()
    chosen = torch.randint(len(extended), (config.batch_size,), generator=generator)
    first, second, transforms = [], [], []
    for index in chosen.tolist():
        # Both views are moved, so neither keeps the fan of the frame; together they differ by less than the sum.
        poses = [random_transform(ranges, generator=generator) for _ in range(2)]
        crop = _random_crop(extended.shape[-1], config.crop, generator)
        sampled = [compose_affine(pose[None], crop) for pose in poses]
        for collected, pose in zip((first, second), sampled, strict=True):
            view = move(extended[index], pose[0], (config.crop, config.crop))
            collected.append(change_appearance(view, ranges, generator=generator))
        transforms.append(compose_affine(invert_affine(sampled[0]), sampled[1]))
    return _Views(torch.stack(first), torch.stack(second), torch.cat(transforms))


def _random_crop(size: int, crop: int, generator: torch.Generator) -> Tensor:
    share = crop / size
    offset = (1 - share) * (2 * torch.rand(2, generator=generator) - 1)
    return torch.tensor([[[share, 0.0, float(offset[0])], [0.0, share, float(offset[1])]]])


def _location_loss(
    first: Tensor, second: Tensor, transforms: Tensor, temperature: float, generator: torch.Generator
) -> Tensor:
    height, width = first.shape[2:]
    chosen = torch.randperm(height * width, generator=generator)[:QUERIES]
    target = transform_points(transforms, pixel_grid(height, width, first)[chosen])
    column = ((target[..., 0] + 1) * width / 2).floor().long()
    row = ((target[..., 1] + 1) * height / 2).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = (row * width + column)[inside]
    logits = second.flatten(2)[:, :, chosen].transpose(1, 2) @ first.flatten(2) / temperature
    return F.cross_entropy(logits[inside], index)


def _save(run: _Run, path: Path) -> None:
    heads = {f"{HEAD}{stage}.weight": head.weight for stage, head in enumerate(run.heads, start=1)}
    state = {**run.encoder.backbone.state_dict(), **heads}
    halved = {key: value.detach().half() if value.is_floating_point() else value for key, value in state.items()}
    with replacing(path) as stream:
        torch.save(halved, stream)
