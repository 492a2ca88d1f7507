"""Frozen encoder: three stages of ResNet-18, each followed by a fixed linear compression of its channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striq.config import EncoderConfig
from striq.model.resnet import ResNetStages, find_architecture

STAGE_STRIDES = (4, 8, 16)
# Normalization that the published ImageNet weights were trained with (torchvision documentation).
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FrozenEncoder(nn.Module):
    """ResNet-18, stages 1 to 3, and a compression of channels per stage; training changes neither.

    Convention:
        - ``train()`` leaves the encoder in evaluation mode, so batch-normalization statistics never change.
        - The image is zero outside the fan. Maps are not masked here; see :func:`fan_masks`.

    Args:
        config: Size of the input, channels per stage, and seed of the initial weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.stage_channels = find_architecture(config.backbone).channels  # before compression
        self.heads: list[Tensor] = []  # pretrained projections, each (D, C), from which an aligner is initialized
        self.backbone = ResNetStages(config.seed, config.backbone)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        for stage, (reduced, full) in enumerate(zip(config.channels, self.stage_channels, strict=True), start=1):
            self.register_buffer(f"compression{stage}", torch.eye(reduced, full))
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Stay in evaluation mode, regardless of ``mode``."""
        del mode
        return super().train(mode=False)

    def stages(self, image: Tensor) -> list[Tensor]:
        """Return the uncompressed maps of stages 1 to 3, each ``(B, C, H, W)``.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        return self.backbone((image.expand(-1, 3, -1, -1) - self.mean) / self.std)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the compressed maps of stages 1 to 3, each ``(B, C, H, W)``.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        return [
            torch.einsum("kc,bchw->bkhw", self.compression(stage), maps)
            for stage, maps in enumerate(self.stages(image), start=1)
        ]

    def compression(self, stage: int) -> Tensor:
        """Return the compression matrix of one stage, whose rows are orthonormal.

        Args:
            stage: Number of the stage, from 1.
        """
        return self.get_buffer(f"compression{stage}")


@torch.no_grad()
def calibrate(encoder: FrozenEncoder, batches: Iterable[Tensor]) -> None:
    """Compute the batch-normalization statistics of an untrained encoder from unlabeled frames.

    Args:
        encoder: Encoder whose backbone has random, not pretrained, weights.
        batches: Prepared frames, each ``(B, 1, H, W)``.
    """
    norms = [module for module in encoder.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # average over all batches
        norm.train()
    for image in batches:
        encoder.stages(image)
    for norm in norms:
        norm.eval()


@torch.no_grad()
def fit_compression(encoder: FrozenEncoder, batches: Iterable[Tensor]) -> None:
    """Set the compression of each stage to the principal components of its features inside the fan.

    Args:
        encoder: Encoder whose compression matrices are replaced.
        batches: Prepared frames, each ``(B, 1, H, W)``.
    """
    sums = [torch.zeros(c + 1, c + 1, dtype=torch.float64) for c in encoder.stage_channels]
    for image in batches:
        for total, maps in zip(sums, encoder.stages(image), strict=True):
            inside = fan_masks(image, [maps.shape[-2:]])[0][:, 0] > 0
            vectors = maps.permute(0, 2, 3, 1)[inside].double().cpu()
            vectors = torch.cat([vectors, torch.ones(len(vectors), 1, dtype=vectors.dtype)], dim=1)
            total += vectors.T @ vectors
    for stage, total in enumerate(sums, start=1):
        target = encoder.compression(stage)
        if target.shape[0] < target.shape[1]:
            target.copy_(_principal_rows(total, len(target)))


def fan_masks(image: Tensor, sizes: Sequence[Sequence[int]]) -> tuple[Tensor, ...]:
    """Return the fan mask of prepared frames at the resolution of several feature maps.

    Convention:
        - A prepared frame is zero outside its fan and positive inside.
        - A mask holds the share of each cell that lies in the fan; shares below one half are set to zero.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        sizes: Rows and columns of each map, the largest first.

    Returns:
        One mask per size, shape ``(B, 1, rows, columns)``.
    """
    full = finest = (image > 0).to(image.dtype)
    masks: list[Tensor] = []
    for height, width in sizes:
        # Pooling the previous mask gives the same numbers for a sixteenth of the work, if its cells divide evenly.
        divides = finest.shape[2] % height == 0 and finest.shape[3] % width == 0
        if divides:
            share = F.avg_pool2d(finest, (finest.shape[2] // height, finest.shape[3] // width))
        else:
            share = F.adaptive_avg_pool2d(full, (height, width))
        masks.append(torch.where(share >= 0.5, share, 0.0))
        finest = share if divides else finest
    return tuple(masks)


def _principal_rows(total: Tensor, count: int) -> Tensor:
    number = total[-1, -1]
    mean = total[-1, :-1] / number
    covariance = total[:-1, :-1] / number - mean[:, None] * mean[None, :]
    return torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :count].T.float()
