"""Self-supervised pretraining of the encoder: the same tissue is recognized after a known change of pose and look.

Dense contrastive learning: a location of one view must pick, among the locations of another view of the same frame,
the one its known transform sends it to. No plane, no quality label is used. The result is a backbone file that the
frozen encoder starts from.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from striq.config import EncoderConfig
from striq.data.augmentation import ViewRanges, change_appearance, extend_beyond_fan, move, random_transform
from striq.model.encoder import STAGE_CHANNELS, FrozenEncoder
from striq.registration.affine import compose_affine, invert_affine, pixel_grid, transform_points
from striq.writing import replacing

logger = logging.getLogger(__name__)
STAGES = (1, 2)  # stages 2 and 3, counted from 0: what matching and the score rest on


@dataclass(frozen=True)
class PretrainingConfig:
    """Settings of the pretraining.

    Attributes:
        steps: Optimizer steps.
        batch_size: Pairs of views of a step.
        crop: Side of the random crop, pixels; the scale of tissue stays that of a whole frame.
        learning_rate: Peak of a one-cycle schedule of AdamW.
        temperature: Of the contrastive loss.
        projection: Channels of the head that is thrown away.
        seed: Of everything random.
    """

    steps: int = 3000
    batch_size: int = 12
    crop: int = 160
    learning_rate: float = 2e-3
    temperature: float = 0.1
    projection: int = 64
    seed: int = 0


@dataclass(frozen=True)
class _Views:
    """Crops of two views, ``(B, 1, S, S)``, and the pull-backs from the second to the first, ``(B, 2, 3)``."""

    first: Tensor
    second: Tensor
    transforms: Tensor


def pretrain_backbone(
    images: Tensor, path: str | Path, config: PretrainingConfig | None = None, *, quiet: bool = False
) -> Path:
    """Pretrain the backbone on unlabeled frames, write it, and return the path.

    Args:
        images: Prepared frames, shape ``(N, 1, H, W)``.
        path: Where the state dict goes, in half precision.
        config: Settings.
        quiet: Do not show progress.
    """
    config = config or PretrainingConfig()
    generator = torch.Generator().manual_seed(config.seed)
    encoder = FrozenEncoder(EncoderConfig(seed=config.seed))
    heads = _heads(config)
    encoder.backbone.requires_grad_(requires_grad=True)
    encoder.backbone.train()
    parameters = [*encoder.backbone.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, config.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=config.steps)
    extended = torch.stack([extend_beyond_fan(image) for image in images])
    for step in track(range(config.steps), description="Pretraining", disable=quiet):
        views = _draw(images, extended, config, generator)
        loss = _contrast(encoder, heads, views, config.temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == config.steps - 1:
            logger.info("Step %d: loss %.3f", step, loss.item())
            _save(encoder, path)
    return Path(path)


def _heads(config: PretrainingConfig) -> nn.ModuleList:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return nn.ModuleList(nn.Conv2d(STAGE_CHANNELS[stage], config.projection, 1) for stage in STAGES)


def _draw(images: Tensor, extended: Tensor, config: PretrainingConfig, generator: torch.Generator) -> _Views:
    ranges = ViewRanges()
    chosen = torch.randint(len(images), (config.batch_size,), generator=generator)
    first, second, transforms = [], [], []
    for index in chosen.tolist():
        # Both views are moved, so neither keeps the fan of the frame; together they differ by less than the sum.
        poses = [random_transform(ranges, generator=generator) for _ in range(2)]
        crop = _random_crop(images.shape[-1], config.crop, generator)
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


def _contrast(encoder: FrozenEncoder, heads: nn.ModuleList, views: _Views, temperature: float) -> Tensor:
    count = len(views.first)
    stages = encoder.stages(torch.cat([views.first, views.second]))
    losses = []
    for stage, head in zip(STAGES, heads, strict=True):
        projected = F.normalize(head(stages[stage]), dim=1)
        losses.append(_location_loss(projected[:count], projected[count:], views.transforms, temperature))
    return torch.stack(losses).mean()


def _location_loss(first: Tensor, second: Tensor, transforms: Tensor, temperature: float) -> Tensor:
    height, width = first.shape[2:]
    target = transform_points(transforms, pixel_grid(height, width, first))
    column = ((target[..., 0] + 1) * width / 2).floor().long()
    row = ((target[..., 1] + 1) * height / 2).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = (row * width + column)[inside]
    logits = second.flatten(2).transpose(1, 2) @ first.flatten(2) / temperature
    return F.cross_entropy(logits[inside], index)


def _save(encoder: FrozenEncoder, path: str | Path) -> None:
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in encoder.backbone.state_dict().items()
    }
    with replacing(path) as stream:
        torch.save(state, stream)
