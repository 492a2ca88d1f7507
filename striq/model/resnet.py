"""The first three stages of ResNet-18 (He et al., Deep Residual Learning for Image Recognition, CVPR 2016).

Equivalent to MONAI's ``ResNet`` with the arguments that match torchvision's weights: same state-dict keys, same seeded
weights, same outputs (a test compares them bit by bit). It is implemented here because importing MONAI would take
longer than the rest of the start-up of scoring.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STAGE_CHANNELS = (64, 128, 256)


class ResidualBlock(nn.Module):
    """Basic residual block: two 3x3 convolutions and a shortcut.

    Args:
        channels: Channels of the input.
        width: Channels of the output.
        stride: Stride of the first convolution.
    """

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        shortcut = None
        if stride != 1 or channels != width:
            shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
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
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build()

    def _build(self) -> None:
        self.conv1 = nn.Conv2d(3, STAGE_CHANNELS[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STAGE_CHANNELS[0])
        self.act = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 1)
        self.layer2 = _stage(64, 128, 2)
        self.layer3 = _stage(128, 256, 2)
        self.layer4 = _stage(256, 512, 2)  # initialized only to consume the same random numbers, then dropped below
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


def _stage(channels: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(channels, width, stride), ResidualBlock(width, width))
