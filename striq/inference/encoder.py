"""The frozen encoder with its batch normalization folded into the convolutions, in the layout a CPU likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from striq.model.encoder import STAGE_CHANNELS, FrozenEncoder

PRECISIONS = ("auto", "float32", "bfloat16")


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
        return F.conv2d(maps, self.weight, self.bias, self.stride, self.padding)


class FoldedEncoder:
    """The maps of a frozen encoder as it is now; changes of its weights afterwards do not count.

    Args:
        encoder: Encoder to take the weights from.
        precision: Of the residual blocks; the first convolution, which sees gray values, stays in single precision.
    """

    def __init__(self, encoder: FrozenEncoder, precision: torch.dtype) -> None:
        net, self.precision = encoder.backbone, precision
        self.stem = _gray_stem(_Convolution.of(net.conv1, net.bn1), encoder).to(torch.float32)
        layers: Any = (net.layer1, net.layer2, net.layer3)
        self.stages = [[_folded(block, precision) for block in layer] for layer in layers]
        self.compression = [encoder.compression(stage).clone() for stage in range(1, len(STAGE_CHANNELS) + 1)]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Return the compressed maps of stages 1 to 3; as the encoder's.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        two = torch.cat([image, torch.ones_like(image)], dim=1).to(memory_format=torch.channels_last)
        x = F.max_pool2d(self.stem(two).relu_(), 3, 2, 1).to(self.precision)
        maps = []
        for blocks, rows in zip(self.stages, self.compression, strict=True):
            for first, second, shortcut in blocks:
                kept = x if shortcut is None else shortcut(x)
                x = second(first(x).relu_()).add_(kept).relu_()
            maps.append(_compress(x, rows))
        return maps


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the precision named, or for ``"auto"`` bfloat16 where the processor computes in it, else float32.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in PRECISIONS:
        msg = f"'precision' must be one of {', '.join(PRECISIONS)}, got {name!r}."
        raise ValueError(msg)
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


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
    shortcut = None if block.downsample is None else _Convolution.of(*block.downsample).to(dtype)
    return first.to(dtype), second.to(dtype), shortcut


def _compress(maps: Tensor, rows: Tensor) -> Tensor:
    vectors = maps.float().permute(0, 2, 3, 1).flatten(1, 2)  # a view: channels come last in memory
    return (rows @ vectors.transpose(1, 2)).unflatten(2, maps.shape[2:])
