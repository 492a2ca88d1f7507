"""The frozen encoder with its batch normalization folded into the convolutions, in the layout a CPU likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from striq.model.encoder import STAGE_CHANNELS, FrozenEncoder

SINGLE, HALF = torch.float32, torch.bfloat16
PRECISIONS: dict[str, tuple[torch.dtype, ...]] = {  # of the convolutions of stages 1 to 3
    "float32": (SINGLE, SINGLE, SINGLE),
    "mixed": (SINGLE, SINGLE, HALF),
    "bfloat16": (HALF, HALF, HALF),
}


@dataclass(frozen=True)
class _Convolution:
    weight: Tensor
    bias: Tensor
    stride: Any
    padding: Any

    @classmethod
    def of(cls, convolution: Any, norm: Any) -> _Convolution:
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        return cls(weight.detach(), bias.detach(), convolution.stride, convolution.padding)

    def to(self, dtype: torch.dtype) -> _Convolution:
        weight = self.weight.to(dtype, memory_format=torch.channels_last)
        return _Convolution(weight, self.bias.to(dtype), self.stride, self.padding)

    def __call__(self, maps: Tensor) -> Tensor:
        return F.conv2d(maps.to(self.weight.dtype), self.weight, self.bias, self.stride, self.padding)


class FoldedEncoder:
    """The maps of a frozen encoder as it is now; changes of its weights afterwards do not count.

    Args:
        encoder: Encoder to take the weights from.
        precisions: Of the convolutions of each stage. What they add to, and the first convolution, which sees gray
            values, stay in single precision.
    """

    def __init__(self, encoder: FrozenEncoder, precisions: Sequence[torch.dtype]) -> None:
        net = encoder.backbone
        self.stem = _gray_stem(_Convolution.of(net.conv1, net.bn1), encoder).to(SINGLE)
        layers = zip(cast("Any", (net.layer1, net.layer2, net.layer3)), precisions, strict=True)
        self.stages = [[_folded(block, precision) for block in layer] for layer, precision in layers]
        rows = [encoder.compression(stage).clone() for stage in range(1, len(STAGE_CHANNELS) + 1)]
        self.compression = [None if torch.equal(r, torch.eye(r.shape[1]).to(r)) else r for r in rows]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Return the compressed maps of stages 1 to 3; as the encoder's.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        two = torch.cat([image, torch.ones_like(image)], dim=1).to(memory_format=torch.channels_last)
        x = F.max_pool2d(self.stem(two).relu_(), 3, 2, 1)
        maps = []
        for blocks, rows in zip(self.stages, self.compression, strict=True):
            for first, second, shortcut in blocks:
                kept = x if shortcut is None else shortcut(x)
                x = (kept + second(first(x).relu_())).relu_()
            maps.append(_compress(x, rows))
        return maps


def pick_precision(name: str, device: torch.device) -> tuple[torch.dtype, ...]:
    """Return the precisions named, or for ``"auto"`` the mixed ones where the processor computes in them, else float32.

    Raises:
        ValueError: If the name is unknown.
    """
    if name == "auto":
        fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        name = "mixed" if fast else "float32"
    if name not in PRECISIONS:
        msg = f"'precision' must be one of auto, {', '.join(PRECISIONS)}, got {name!r}."
        raise ValueError(msg)
    return PRECISIONS[name]


def _gray_stem(stem: _Convolution, encoder: FrozenEncoder) -> _Convolution:
    """Return the first convolution for a gray picture and a picture of ones.

    The three colors are one gray value, each normalized by a mean and a deviation of its own; the padding is zero
    after that, so that the mean counts only where there is picture: that is what the ones are for.
    """
    scaled = stem.weight / encoder.std
    weight = torch.stack([scaled.sum(dim=1), -(scaled * encoder.mean).sum(dim=1)], dim=1)
    return _Convolution(weight, stem.bias, stem.stride, stem.padding)


def _folded(block: Any, dtype: torch.dtype) -> tuple[_Convolution, _Convolution, _Convolution | None]:
    first, second = _Convolution.of(block.conv1, block.bn1), _Convolution.of(block.conv2, block.bn2)
    shortcut = None if block.downsample is None else _Convolution.of(*block.downsample).to(SINGLE)
    return first.to(dtype), second.to(dtype), shortcut


def _compress(maps: Tensor, rows: Tensor | None) -> Tensor:
    """Return compressed maps, channels last in memory as they came; rows are left out where they change nothing."""
    vectors = maps.permute(0, 2, 3, 1)
    return (vectors if rows is None else vectors @ rows.t()).permute(0, 3, 1, 2)
