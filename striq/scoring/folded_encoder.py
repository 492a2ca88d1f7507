"""The frozen encoder with folded batch normalization and channels last in memory, in a choice of precisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.errors import StriqError
from striq.model.encoder import STAGE_STRIDES, FrozenEncoder
from striq.scoring.folded_convolution import Convolution, SeparableConvolution, fold_convolution

BORDER = 2  # rows and columns on each side of the first convolution's maps that padding reaches
SINGLE, HALF = torch.float32, torch.bfloat16
Foldable = Convolution | SeparableConvolution
PRECISIONS: dict[str, tuple[torch.dtype, ...]] = {  # of the convolutions of each residual block, two in a stage
    "float32": (SINGLE,) * 6,
    "mixed": (*(SINGLE,) * 5, HALF),
    "bfloat16": (HALF,) * 6,
    "float16": (torch.float16,) * 6,
}


class FoldedEncoder:
    """A copy of a frozen encoder for inference; later changes of the original have no effect.

    Args:
        encoder: Encoder to take the weights from.
        precisions: Of the convolutions of each residual block. Residual sums and the first convolution stay in single
            precision.
    """

    def __init__(self, encoder: FrozenEncoder, precisions: Sequence[torch.dtype]) -> None:
        net, (height, width) = encoder.backbone, encoder.config.size
        self.stem = _Stem(Convolution.of(net.conv1, net.bn1), encoder)
        layers = cast("Any", (net.layer1, net.layer2, net.layer3))
        sizes = [(height // stride, width // stride) for stride in STAGE_STRIDES]
        of_blocks = iter(precisions)
        self.stages = [
            [_folded(block, next(of_blocks), size) for block in layer]
            for layer, size in zip(layers, sizes, strict=True)
        ]
        rows = [encoder.compression(stage).clone() for stage in range(1, len(STAGE_STRIDES) + 1)]
        self.compression = [None if torch.equal(r, torch.eye(r.shape[1]).to(r)) else r for r in rows]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Return the compressed maps of stages 1 to 3, each ``(B, C, H, W)``.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        # ReLU after pooling gives the same maps for a quarter of the work.
        x = F.max_pool2d(self.stem(image), 3, 2, 1).relu_()
        maps = []
        for blocks, rows in zip(self.stages, self.compression, strict=True):
            for first, second, shortcut in blocks:
                residual = x if shortcut is None else shortcut(x)
                x = second.add_to(residual, first(x, rectified=True))  # overwrites x, which no stage returns
            maps.append(_compress(x, rows))
        return maps


def pick_precision(name: str, device: torch.device) -> tuple[torch.dtype, ...]:
    """Return the precisions of a name, or for ``"auto"`` the fastest that moves Q by less than 0.001 on the device.

    Raises:
        ValueError: If the name is unknown.
        StriqError: If the device does not support it.
    """
    if name == "auto":
        fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]
        name = "float16" if device.type == "cuda" else "mixed" if fast else "float32"
    if name not in PRECISIONS:
        msg = f"'precision' must be one of auto, {', '.join(PRECISIONS)}, got {name!r}."
        raise ValueError(msg)
    if name == "float16" and device.type != "cuda":
        msg = f"The precision float16 needs a CUDA device, got {device.type!r}. Choose mixed or bfloat16 on a CPU."
        raise StriqError(msg)
    return PRECISIONS[name]


class _Stem:
    """The first convolution, for gray frames.

    The three color channels hold one gray value, each normalized by its own mean and deviation, and padding is zero
    after that. The means therefore add a constant, except at the border, where the padding adds less.
    """

    def __init__(self, stem: Convolution, encoder: FrozenEncoder) -> None:
        scaled = stem.weight / encoder.std
        self.means = -(scaled * encoder.mean).sum(dim=1, keepdim=True)
        bias, size = stem.bias + self.means.sum(dim=(1, 2, 3)), encoder.config.size
        gray = Convolution(scaled.sum(dim=1, keepdim=True), bias, stem.stride, stem.padding)
        self.gray, self.size = gray.ready(SINGLE, size), size
        self.excess = self._excess(*size)

    def __call__(self, image: Tensor) -> Tensor:
        maps = self.gray(image.contiguous(memory_format=torch.channels_last))
        height, width = image.shape[2:]
        for border, excess in self.excess if (height, width) == self.size else self._excess(height, width):
            maps[border].sub_(excess)
        return maps

    def _excess(self, height: int, width: int) -> list[tuple[tuple[slice, ...], Tensor]]:
        """Return the four borders of the maps of a frame, and the excess of the constant there."""
        stride, padding = self.gray.stride, self.gray.padding
        whole = F.conv2d(self.means.new_ones(1, 1, height, width), self.means, None, stride, padding)
        rows, columns = whole.shape[2:]
        everything = slice(None)
        middle, bottom = slice(BORDER, rows - BORDER), slice(max(BORDER, rows - BORDER), rows)
        right = slice(max(BORDER, columns - BORDER), columns)
        borders = [
            (everything, everything, slice(BORDER), everything),
            (everything, everything, bottom, everything),
            (everything, everything, middle, slice(BORDER)),
            (everything, everything, middle, right),
        ]
        excess = self.means.sum(dim=(1, 2, 3))[:, None, None] - whole
        return [(border, excess[border].contiguous(memory_format=torch.channels_last)) for border in borders]


def _folded(block: Any, dtype: torch.dtype, size: tuple[int, int]) -> tuple[Foldable, Foldable, Convolution | None]:
    first, second = fold_convolution(block.conv1, block.bn1), fold_convolution(block.conv2, block.bn2)
    down, across = first.stride
    entering = size[0] * down, size[1] * across
    shortcut = None if block.downsample is None else Convolution.of(*block.downsample).ready(SINGLE, entering)
    return first.ready(dtype, entering), second.ready(dtype, size), shortcut


def _compress(maps: Tensor, rows: Tensor | None) -> Tensor:
    """Return compressed maps, channels last in memory; ``None`` means that nothing is compressed."""
    vectors = maps.permute(0, 2, 3, 1)
    return (vectors if rows is None else vectors @ rows.t()).permute(0, 3, 1, 2)
