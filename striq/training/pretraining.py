"""Self-supervised pretraining of the encoder's backbone on unlabeled frames.

Dense contrastive learning: a location of one view must be found among the locations of another view of the same frame
that was made by a known transform. Features are compared after a linear head, so the maps themselves can keep what
differs between views. A linear decoder reconstructs the gray values under each location, so the maps also have to keep
it; without the decoder, pretraining removes what makes a frame a good one (docs/experiments.md). No plane and no
quality label is used. The result is a file with the backbone and with the heads, from which the aligner starts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from striq.atomic_files import replacing
from striq.config import AlignerConfig, EncoderConfig
from striq.data.augmentation import extend_beyond_fan
from striq.errors import CheckpointError, one_line
from striq.model.backbone_files import HEAD, NAME, RESNET18, fit_encoder_config
from striq.model.encoder import STAGE_STRIDES, FrozenEncoder
from striq.model.tensor_files import read_tensors
from striq.progress_bar import track
from striq.registration.vectors import unit_vectors
from striq.training.contrastive_views import ViewPairs, draw_views
from striq.training.pretraining_losses import SIDE, decoding_error, location_loss

logger = logging.getLogger(__name__)
SAVING_INTERVAL = 100  # steps


@dataclass(frozen=True)
class PretrainingConfig:
    """Settings of the pretraining.

    Attributes:
        steps: Optimizer steps.
        batch_size: Pairs of views in a step.
        crop: Side of the random crop, pixels; tissue is as large in it as in the frame.
        learning_rate: Peak of a one-cycle schedule of AdamW.
        temperature: Of the contrastive loss.
        decoding_weight: Weight of the decoders' squared error, in units of the variance of gray values.
        seed: Of everything random.
        backbone: Name of the network, one of ``striq.model.resnet.BACKBONES``.
    """

    steps: int = 1600
    batch_size: int = 12
    crop: int = 160
    learning_rate: float = 2e-3
    temperature: float = 0.1
    decoding_weight: float = 1.0
    seed: int = 0
    backbone: str = "resnet18"


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
        path: File of the state dict, in half precision; the state of an unfinished run is kept beside it.
        config: Settings.
        resume: Continue an interrupted run with the same frames and settings, if there is one.
        quiet: Hide the progress bar.
    """
    config = config or PretrainingConfig()
    path, unfinished = Path(path), Path(f"{path}.unfinished")
    run = PretrainingRun(config)
    if resume and unfinished.is_file():
        try:
            run.load_state_dict(read_tensors(unfinished, "the state of an interrupted pretraining"))
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{unfinished}: this pretraining cannot be resumed: {one_line(error)} Remove the file to start anew."
            raise CheckpointError(msg) from error
    extended = torch.stack([extend_beyond_fan(image) for image in images])
    steps = range(run.step, config.steps)
    for _ in track(steps, description="Pretraining", quiet=quiet):
        loss = run.advance(extended)
        if run.step % SAVING_INTERVAL == 0:
            logger.info("Step %d: loss %.3f", run.step, loss)
            with replacing(unfinished) as stream:
                torch.save(run.state_dict(), stream)
    _save(run, path)
    unfinished.unlink(missing_ok=True)
    return path


class PretrainingRun:
    """A pretraining between two steps.

    Args:
        config: Settings.
    """

    def __init__(self, config: PretrainingConfig) -> None:
        self.config, self.step = config, 0
        self.generator = torch.Generator().manual_seed(config.seed)
        self.encoder = FrozenEncoder(fit_encoder_config(EncoderConfig(seed=config.seed), config.backbone))
        self.encoder.backbone.requires_grad_(requires_grad=True)
        self.encoder.backbone.train()
        self.heads, self.decoders = _linear_maps(self.encoder.stage_channels, config.seed)
        trained = (self.encoder.backbone, self.heads, self.decoders)
        parameters = [parameter for part in trained for parameter in part.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, config.learning_rate, weight_decay=1e-4)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, config.learning_rate, total_steps=config.steps
        )

    def advance(self, extended: Tensor) -> float:
        """Make one optimizer step and return the loss before it.

        Args:
            extended: Frames without a fan, shape ``(N, 1, H, W)``.
        """
        views = draw_views(extended, self.config.batch_size, self.config.crop, self.generator)
        stages = self.encoder.stages(torch.cat([views.first, views.second]))
        loss = self._contrast(stages, views) + self.config.decoding_weight * self._decoding_error(stages, views)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return loss.item()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {**parts, "generator": self.generator.get_state(), "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.step = state["step"]

    def _contrast(self, stages: Sequence[Tensor], views: ViewPairs) -> Tensor:
        losses = []
        for head, maps in zip(self.heads, stages, strict=True):
            first, second = unit_vectors(head(maps)).chunk(2)
            losses.append(location_loss(first, second, views.transforms, self.config.temperature, self.generator))
        return torch.stack(losses).mean()

    def _decoding_error(self, stages: Sequence[Tensor], views: ViewPairs) -> Tensor:
        gray = torch.cat([views.first, views.second])
        parts = zip(self.decoders, stages, STAGE_STRIDES, strict=True)
        return torch.stack([decoding_error(decoder(maps), gray, stride) for decoder, maps, stride in parts]).mean()

    def _parts(self) -> dict[str, Any]:
        return {
            "backbone": self.encoder.backbone,
            "heads": self.heads,
            "decoders": self.decoders,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }


def _linear_maps(channels: Sequence[int], seed: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = zip(channels, AlignerConfig().projections, strict=True)
        heads = nn.ModuleList(nn.Conv2d(full, kept, 1, bias=False) for full, kept in widths)
        return heads, nn.ModuleList(nn.Conv2d(full, SIDE**2, 1) for full in channels)


def _save(run: PretrainingRun, path: Path) -> None:
    heads = {f"{HEAD}{stage}.weight": cast("Tensor", head.weight) for stage, head in enumerate(run.heads, start=1)}
    state: dict[str, Tensor] = {**run.encoder.backbone.state_dict(), **heads}
    halved = {key: value.detach().half() if value.is_floating_point() else value for key, value in state.items()}
    name = {} if run.config.backbone == RESNET18 else {NAME: run.config.backbone}
    with replacing(path) as stream:
        torch.save({**name, **halved}, stream)
