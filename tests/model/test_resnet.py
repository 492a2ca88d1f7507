"""Tests of ``striq.model.resnet`` against MONAI's network."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets.resnet import ResNet, ResNetFeatures
from torch import nn

from striq.model.resnet import STAGE_CHANNELS, ResNetStages


@pytest.fixture(scope="module")
def reference() -> ResNet:
    """MONAI's ResNet-18 with the arguments that match the published weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return ResNet(
            "basic",
            [2, 2, 2, 2],
            [*STAGE_CHANNELS, 512],
            spatial_dims=2,
            n_input_channels=3,
            conv1_t_stride=2,
            shortcut_type="B",
            bias_downsample=False,
            feed_forward=False,
        )


def test_keys_and_seeded_weights_are_monais(reference: ResNet) -> None:
    own, theirs = ResNetStages(3).state_dict(), reference.state_dict()
    assert list(own) == [key for key in theirs if not key.startswith("layer4")]
    for key, value in own.items():
        assert torch.equal(value, theirs[key]), key


def test_maps_are_monais_with_statistics_that_matter(reference: ResNet) -> None:
    own = ResNetStages(3)
    generator = torch.Generator().manual_seed(0)
    for module in reference.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator)
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
            nn.init.normal_(module.bias, generator=generator)
    own.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith("layer4")})
    pictures = torch.randn(2, 3, 64, 96, generator=generator)
    with torch.no_grad():
        theirs = ResNetFeatures.forward(reference.eval(), pictures)  # pyright: ignore[reportArgumentType]
        for one, other in zip(own.eval()(pictures), theirs[1:4], strict=True):
            assert torch.equal(one, other)


def test_the_seed_decides_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    one, other = ResNetStages(0), ResNetStages(1)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize(
    ("name", "channels", "millions"),
    [
        ("resnet18", (64, 128, 256), 2.78),
        ("resnet18_half", (32, 64, 128), 0.70),
        ("resnet18_quarter", (16, 32, 64), 0.18),
        ("resnet18_separable", (64, 128, 256), 0.37),
    ],
)
def test_lighter_networks_have_the_same_stages(name: str, channels: tuple[int, ...], millions: float) -> None:
    network = ResNetStages(0, name).eval()
    with torch.no_grad():
        maps = network(torch.rand(1, 3, 64, 96))
    assert [tuple(found.shape) for found in maps] == [
        (1, c, 64 // s, 96 // s) for c, s in zip(channels, (4, 8, 16), strict=True)
    ]
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of resnet18, resnet18_half, .*, got 'resnet19'"):
        ResNetStages(0, "resnet19")
