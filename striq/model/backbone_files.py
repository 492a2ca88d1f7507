"""Files of backbone weights: STRIQ's own, which name their network, and those of torchvision's ResNet-18."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striq.config import EncoderConfig
from striq.errors import CheckpointError
from striq.model.encoder import STAGE_STRIDES, FrozenEncoder
from striq.model.resnet import BACKBONES
from striq.model.tensor_files import read_tensors

HEAD = "head"  # key prefix of the projection heads
NAME, RESNET18 = "backbone", "resnet18"  # key of the network's name, and the network of files without it
SHIPPED = {RESNET18: "backbone.pt", "resnet18_half": "backbone_half.pt"}  # files of the package, by network
IMAGENET_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
IMAGENET_SHA256_PREFIX = "f37072fd"


def fit_encoder_config(config: EncoderConfig, backbone: str) -> EncoderConfig:
    """Return the settings of an encoder with another network; no stage keeps more channels than the network has.

    Args:
        config: Settings to change.
        backbone: Name of the network, one of ``striq.model.resnet.BACKBONES``.
    """
    first, second, third = (min(pair) for pair in zip(config.channels, BACKBONES[backbone].channels, strict=True))
    return replace(config, backbone=backbone, channels=(first, second, third))


def read_backbone_name(path: str | Path) -> str:
    """Return the name of the network whose weights are in a file.

    Raises:
        CheckpointError: If the file is missing, no file of backbone weights, or of an unknown network.
    """
    file = _find(path)
    return _name_in(_read(file), file)


def load_backbone(encoder: FrozenEncoder, path: str | Path) -> str:
    """Load backbone weights from a local file and return a one-line description of them.

    Args:
        encoder: Encoder whose backbone weights are replaced.
        path: A file that ``striq pretrain`` wrote, a ``.pt`` or ``.pth`` state dict with torchvision's ResNet-18 keys,
            or an ``.npz`` with the same keys and batch normalization folded into the convolutions; or the name of a
            network whose weights the package has.

    Raises:
        CheckpointError: If the file is missing, lacks keys, or is of another network than the encoder.
    """
    file = _find(path)
    weights = _read(file)
    name, expected = _name_in(weights, file), encoder.config.backbone
    if name != expected:
        msg = f"{file}: weights of {name}, but the encoder is {expected}. Pass weights of {expected}."
        raise CheckpointError(msg)
    if file.suffix == ".npz":
        weights = _unfold(weights)
    current = encoder.backbone.state_dict()
    missing = [key for key in current if key not in weights and not key.startswith(("layer4", "fc"))]
    if missing:
        msg = f"{file}: not a state dict of {name}; {len(missing)} keys are missing, among them {missing[0]!r}."
        raise CheckpointError(msg)
    for key, value in current.items():
        given = weights.get(key, value)
        if not isinstance(given, Tensor) or given.shape != value.shape or not bool(torch.isfinite(given).all()):
            msg = f"{file}: not a state dict of {name}; {key!r} must hold {tuple(value.shape)} finite numbers."
            raise CheckpointError(msg)
    encoder.backbone.load_state_dict({key: weights.get(key, value) for key, value in current.items()})
    heads = [f"{HEAD}{stage}.weight" for stage in range(1, len(STAGE_STRIDES) + 1)]
    encoder.heads = [weights[key].float().flatten(1) for key in heads] if set(heads) <= set(weights) else []
    return f"backbone weights from {file.name} (sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:12]})"


def shipped_backbone(backbone: str = RESNET18) -> Path | None:
    """Return the path of backbone weights in the package, pretrained without labels; ``None`` if it has none.

    Args:
        backbone: Name of the network, one of ``striq.model.resnet.BACKBONES``.
    """
    file = Path(__file__).with_name(SHIPPED[backbone]) if backbone in SHIPPED else None
    return file if file is not None and file.is_file() else None


def _find(path: str | Path) -> Path:
    """Return a file, or that of the package for the name of a network, unless a file has this name."""
    shipped = None if Path(path).exists() else shipped_backbone(str(path))
    return shipped or Path(path)


def download_imagenet(encoder: FrozenEncoder, folder: str | Path) -> str:
    """Download torchvision's ImageNet weights if needed, verify their hash, and load them.

    Call this only on the user's explicit request. Nothing else in STRIQ opens a network connection.

    Args:
        encoder: Encoder whose backbone weights are replaced.
        folder: Folder that holds, or will hold, the downloaded file.

    Returns:
        A one-line description of the weights.
    """
    target = Path(folder) / Path(IMAGENET_URL).name
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(IMAGENET_URL, str(target), hash_prefix=IMAGENET_SHA256_PREFIX)
    return load_backbone(encoder, target)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        msg = (
            f"{file}: no such file of backbone weights. Pass a ResNet-18 state dict (.pt, .pth or folded .npz), or "
            f"{' or '.join(SHIPPED)} for weights that are part of the package."
        )
        raise CheckpointError(msg)
    return read_tensors(file, "a ResNet-18 state dict")


def _name_in(weights: Mapping[str, Any], file: Path) -> str:
    name = weights.get(NAME, RESNET18)
    if not isinstance(name, str) or name not in BACKBONES:
        msg = f"{file}: weights of an unknown network, {str(name)[:60]!r}. Expected one of {', '.join(BACKBONES)}."
        raise CheckpointError(msg)
    return name


def _unfold(folded: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return folded weights as a state dict whose batch normalizations only add the folded bias."""
    weights: dict[str, Tensor] = {}
    for key in [key for key in folded if key.endswith(".weight")]:
        name = key.removesuffix(".weight")
        bias = folded.get(f"{name}.bias", torch.zeros(len(folded[key]) if folded[key].ndim else 0))
        norm = name.replace("conv", "bn") if "conv" in name else f"{name[:-1]}1"
        weights[key] = folded[key]
        weights[f"{norm}.bias"] = bias
        weights[f"{norm}.running_mean"] = torch.zeros_like(bias)
        # sqrt(variance + eps) = 1 makes the normalization an addition.
        weights[f"{norm}.running_var"] = torch.full_like(bias, 1 - 1e-5)
        weights[f"{norm}.weight"] = torch.ones_like(bias)
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    return weights
