"""The first three stages of ResNet-18 (He et al., Deep Residual Learning for Image Recognition, CVPR 2016).

Equivalent to MONAI's ``ResNet`` with the arguments that match torchvision's weights: same state-dict keys, same seeded
weights, same outputs (a test compares them bit by bit). It is implemented here because importing MONAI would take
longer than the rest of the start-up of scoring. The lighter networks have fewer channels, or depthwise separable
convolutions (Chollet, Xception, CVPR 2017) in place of those of 3x3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """Layout of a backbone.

    Attributes:
        channels: Channels of stages 1, 2 and 3.
        separable: Whether convolutions of 3x3 in the stages are depthwise separable.
    """

    channels: tuple[int, int, int]
    separable: bool = False


BACKBONES = {
    "resnet18": Architecture((64, 128, 256)),
    "resnet18_half": Architecture((32, 64, 128)),
    "resnet18_quarter": Architecture((16, 32, 64)),
    "resnet18_separable": Architecture((64, 128, 256), separable=True),
}
STAGE_CHANNELS = BACKBONES["resnet18"].channels


class ResidualBlock(nn.Module):
    """Basic residual block: two 3x3 convolutions and a shortcut.

    Args:
        channels: Channels of the input.
        width: Channels of the output.
        stride: Stride of the first convolution.
        separable: Whether both are depthwise separable.
    """

    def __init__(self, channels: int, width: int, stride: int = 1, *, separable: bool = False) -> None:
        super().__init__()
        shortcut = None
        if stride != 1 or channels != width:
            shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        convolution = _separable if separable else _dense
        self.conv1 = convolution(channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = convolution(width, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the block, shape ``(B, width, H / stride, W / stride)``.

        Args:
            x: Feature maps, shape ``(B, channels, H, W)``.
        """
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.act(self.bn1(self.conv1(x)))
        return self.act(self.bn2(self.conv2(out)) + shortcut)


class ResNetStages(nn.Module):
    """Stem and stages 1 to 3 with random weights (He et al., Delving Deep into Rectifiers, ICCV 2015).

    Args:
        seed: Seed of the initialization.
        name: Name of the network, one of ``BACKBONES``.
    """

    def __init__(self, seed: int, name: str = "resnet18") -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(find_architecture(name))

    def _build(self, architecture: Architecture) -> None:
        (first, second, third), separable = architecture.channels, architecture.separable
        self.conv1 = nn.Conv2d(3, first, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.act = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(first, first, 1, separable=separable)
        self.layer2 = _stage(first, second, 2, separable=separable)
        self.layer3 = _stage(second, third, 2, separable=separable)
        # Initialized only to consume the same random numbers as MONAI's network, then dropped below.
        self.layer4 = _stage(third, 2 * third, 2, separable=separable)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.layer4 = nn.Sequential()

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of stages 1 to 3, at strides 4, 8 and 16.

        Args:
            x: Normalized images, shape ``(B, 3, H, W)``.
        """
        x = self.maxpool(self.act(self.bn1(self.conv1(x))))
        maps: list[Tensor] = []
        for layer in (self.layer1, self.layer2, self.layer3):
            x = layer(x)
            maps.append(x)
        return maps


def find_architecture(name: str) -> Architecture:
    """Return the layout of a backbone.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in BACKBONES:
        msg = f"The backbone must be one of {', '.join(BACKBONES)}, got {name!r}."
        raise ValueError(msg)
    return BACKBONES[name]


def _stage(channels: int, width: int, stride: int, *, separable: bool) -> nn.Sequential:
    return nn.Sequential(
        ResidualBlock(channels, width, stride, separable=separable), ResidualBlock(width, width, separable=separable)
    )


def _dense(channels: int, width: int, stride: int) -> nn.Module:
    return nn.Conv2d(channels, width, 3, stride, 1, bias=False)


def _separable(channels: int, width: int, stride: int) -> nn.Module:
    """Return a convolution of each channel alone, then one that mixes channels, without a nonlinearity between."""
    depthwise = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(channels, width, 1, bias=False))
