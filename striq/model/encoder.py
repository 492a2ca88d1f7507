"""The frozen encoder: three stages of ResNet-18, compressed channel by channel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striq.config import EncoderConfig
from striq.errors import CheckpointError
from striq.model.resnet import STAGE_CHANNELS, ResNetStages

STAGE_STRIDES = (4, 8, 16)
HEAD = "head"  # of a stage, in a file of backbone weights
# Normalization the published ImageNet weights were trained with (torchvision documentation).
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
IMAGENET_SHA256_PREFIX = "f37072fd"


class FrozenEncoder(nn.Module):
    """ResNet-18, stages 1 to 3, that training never changes, followed by a fixed compression of channels.

    Convention:
        - ``train()`` leaves it in evaluation mode: batch normalization never moves.
        - The image is zero outside the fan; the fan mask blanks each map again, so nothing leaks from outside.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.heads: list[Tensor] = []  # of pretraining, each (kept, C): where an aligner's projections start
        self.backbone = ResNetStages(config.seed)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        for stage, (kept, full) in enumerate(zip(config.channels, STAGE_CHANNELS, strict=True), start=1):
            self.register_buffer(f"compression{stage}", torch.eye(kept, full))
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Stay in evaluation mode, whatever ``mode`` says."""
        del mode
        return super().train(mode=False)

    def stages(self, image: Tensor) -> list[Tensor]:
        """Return the maps of stages 1 to 3 at full width, shapes ``(B, C, H, W)``."""
        return self.backbone((image.expand(-1, 3, -1, -1) - self.mean) / self.std)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the compressed maps of stages 1 to 3.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        return [
            torch.einsum("kc,bchw->bkhw", self.compression(stage), maps)
            for stage, maps in enumerate(self.stages(image), start=1)
        ]

    def compression(self, stage: int) -> Tensor:
        """Return the orthonormal rows that compress one stage, shape ``(kept, C)``."""
        return self.get_buffer(f"compression{stage}")


@torch.no_grad()
def calibrate(encoder: FrozenEncoder, batches: Iterable[Tensor]) -> None:
    """Set the batch-normalization statistics of a seeded encoder from unlabeled frames.

    Args:
        encoder: Encoder whose backbone holds seeded, not pretrained, weights.
        batches: Prepared frames, each ``(B, 1, H, W)``.
    """
    norms = [module for module in encoder.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # plain average over batches
        norm.train()
    for image in batches:
        encoder.stages(image)
    for norm in norms:
        norm.eval()


@torch.no_grad()
def fit_compression(encoder: FrozenEncoder, batches: Iterable[Tensor]) -> None:
    """Compress stages to the principal components of their features inside the fan.

    Args:
        encoder: Encoder whose compression is replaced.
        batches: Prepared frames, each ``(B, 1, H, W)``.
    """
    sums = [torch.zeros(c + 1, c + 1, dtype=torch.float64) for c in STAGE_CHANNELS]
    for image in batches:
        for total, maps in zip(sums, encoder.stages(image), strict=True):
            inside = fan_of(image, maps.shape[-2:])[:, 0] > 0
            vectors = maps.permute(0, 2, 3, 1)[inside].double().cpu()
            vectors = torch.cat([vectors, torch.ones(len(vectors), 1, dtype=vectors.dtype)], dim=1)
            total += vectors.T @ vectors
    for stage, total in enumerate(sums, start=1):
        target = encoder.compression(stage)
        if target.shape[0] < target.shape[1]:
            target.copy_(_principal_rows(total, len(target)))


def fan_of(image: Tensor, size: Sequence[int]) -> Tensor:
    """Return the share of each cell that lies in the fan, cells less than half inside set to zero.

    Convention:
        - A prepared frame is zero outside its fan and above zero inside.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        size: Rows and columns of the map wanted.

    Returns:
        Mask, shape ``(B, 1, H, W)`` of the map.
    """
    return fans_of(image, [size])[0]


def fans_of(image: Tensor, sizes: Sequence[Sequence[int]]) -> tuple[Tensor, ...]:
    """Return what :func:`fan_of` returns for maps of several sizes, the largest first.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        sizes: Rows and columns of the maps wanted.
    """
    picture = whole = (image > 0).to(image.dtype)
    masks = []
    for height, width in sizes:
        # Pooled from the last map where cells fit into cells: a sixteenth of the work, the same numbers.
        fits = whole.shape[2] % height == 0 and whole.shape[3] % width == 0
        if fits:
            share = F.avg_pool2d(whole, (whole.shape[2] // height, whole.shape[3] // width))
        else:
            share = F.adaptive_avg_pool2d(picture, (height, width))
        masks.append(torch.where(share >= 0.5, share, 0.0))
        whole = share if fits else whole
    return tuple(masks)


def load_backbone(encoder: FrozenEncoder, path: str | Path) -> str:
    """Load backbone weights from a local file and return one line that says which.

    Args:
        encoder: Encoder whose backbone is replaced.
        path: A ``.pt``/``.pth`` state dict with torchvision's ResNet-18 keys, or an ``.npz`` of the same with batch
            normalization folded into weights and biases of the convolutions.

    Raises:
        CheckpointError: If the file is missing or its keys do not fit.
    """
    file = Path(path)
    if not file.is_file():
        msg = f"{file}: no backbone weights there. Pass the path of a ResNet-18 state dict (.pt, .pth or folded .npz)."
        raise CheckpointError(msg)
    weights = _unfold(file) if file.suffix == ".npz" else torch.load(file, map_location="cpu", weights_only=True)
    own = encoder.backbone.state_dict()
    missing = [key for key in own if key not in weights and not key.startswith(("layer4", "fc"))]
    if missing:
        msg = f"{file}: not a ResNet-18 state dict, {missing[0]!r} is missing ({len(missing)} keys in all)."
        raise CheckpointError(msg)
    encoder.backbone.load_state_dict({key: weights.get(key, value) for key, value in own.items()})
    heads = [f"{HEAD}{stage}.weight" for stage in range(1, len(STAGE_CHANNELS) + 1)]
    encoder.heads = [weights[key].float().flatten(1) for key in heads] if set(heads) <= set(weights) else []
    return f"backbone weights from {file.name} (sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:12]})"


def shipped_backbone() -> Path | None:
    """Return the backbone that comes with the package, pretrained without labels; ``None`` if it was left out."""
    file = Path(__file__).with_name("backbone.pt")
    return file if file.is_file() else None


def download_imagenet(encoder: FrozenEncoder, folder: str | Path) -> str:
    """Fetch torchvision's ImageNet weights once, check their hash, load them, and say so.

    Only ever called on the user's explicit request; nothing else in STRIQ opens a connection.
    """
    target = Path(folder) / Path(IMAGENET_URL).name
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(IMAGENET_URL, str(target), hash_prefix=IMAGENET_SHA256_PREFIX)
    return load_backbone(encoder, target)


def _principal_rows(total: Tensor, count: int) -> Tensor:
    number = total[-1, -1]
    mean = total[-1, :-1] / number
    covariance = total[:-1, :-1] / number - mean[:, None] * mean[None, :]
    return torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :count].T.float()


def _unfold(file: Path) -> dict[str, Tensor]:
    """Read folded weights as if each batch normalization only added the folded bias."""
    folded = {key: torch.from_numpy(value) for key, value in np.load(file, allow_pickle=False).items()}
    weights: dict[str, Tensor] = {}
    for key in [key for key in folded if key.endswith(".weight")]:
        name = key.removesuffix(".weight")
        bias = folded[f"{name}.bias"]
        norm = name.replace("conv", "bn") if "conv" in name else f"{name[:-1]}1"
        weights[key] = folded[key]
        weights[f"{norm}.bias"] = bias
        weights[f"{norm}.running_mean"] = torch.zeros_like(bias)
        # sqrt(variance + eps) = 1 makes the normalization an addition.
        weights[f"{norm}.running_var"] = torch.full_like(bias, 1 - 1e-5)
        weights[f"{norm}.weight"] = torch.ones_like(bias)
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    return weights
