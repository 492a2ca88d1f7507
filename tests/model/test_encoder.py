"""Tests of ``striq.model.encoder``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.config import EncoderConfig
from striq.errors import CheckpointError
from striq.model.backbone_files import load_backbone
from striq.model.encoder import STAGE_STRIDES, FrozenEncoder, calibrate, fan_masks, fit_compression

WEIGHTS = Path(__file__).parents[2] / ".." / "shared" / "weights" / "resnet18_imagenet_stem_to_layer3_bn_folded.npz"
CONFIG = EncoderConfig(size=(64, 64))


@pytest.fixture
def encoder() -> FrozenEncoder:
    return FrozenEncoder(CONFIG)


@pytest.fixture(scope="module")
def image() -> Tensor:
    picture = 0.1 + 0.9 * torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    picture[:, :, :16] = 0
    return picture


def test_maps_have_the_sizes_of_stages_1_to_3(encoder: FrozenEncoder, image: Tensor) -> None:
    assert [tuple(m.shape[1:]) for m in encoder.stages(image)] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]
    assert [m.shape[1] for m in encoder(image)] == list(CONFIG.channels)


@pytest.mark.parametrize("size", [(64, 64), (256, 128), (250, 250), (60, 84)])
def test_fans_of_several_sizes_are_those_of_each(size: tuple[int, int]) -> None:
    picture = (torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1)) - 0.4).clamp(min=0)
    sizes = [(size[0] // stride, size[1] // stride) for stride in STAGE_STRIDES]
    for fan, wanted in zip(fan_masks(picture, sizes), sizes, strict=True):
        share = F.adaptive_avg_pool2d((picture > 0).float(), wanted)
        assert torch.equal(fan, torch.where(share >= 0.5, share, 0.0))


def test_training_mode_moves_nothing(encoder: FrozenEncoder, image: Tensor) -> None:
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    encoder.train()
    encoder(image)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())


def test_seeded_start_is_the_same_every_time_and_leaves_global_randomness_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = FrozenEncoder(CONFIG), FrozenEncoder(CONFIG)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first.backbone.conv1.weight, second.backbone.conv1.weight)
    other = FrozenEncoder(EncoderConfig(size=(64, 64), seed=1))
    assert not torch.equal(first.backbone.conv1.weight, other.backbone.conv1.weight)


def test_a_frame_does_not_depend_on_the_rest_of_the_batch(encoder: FrozenEncoder, image: Tensor) -> None:
    for together, alone in zip(encoder(image), encoder(image[1:2]), strict=True):
        torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-4)


def test_calibration_normalizes_the_first_layer(encoder: FrozenEncoder, image: Tensor) -> None:
    calibrate(encoder, [image])
    x = encoder.backbone.bn1(encoder.backbone.conv1((image.expand(-1, 3, -1, -1) - encoder.mean) / encoder.std))
    torch.testing.assert_close(x.mean(dim=(0, 2, 3)), torch.zeros(64), atol=1e-4, rtol=0)
    assert not encoder.backbone.bn1.training


def test_compression_is_that_of_principal_components(encoder: FrozenEncoder, image: Tensor) -> None:
    fit_compression(encoder, [image[:2], image[2:]])
    maps = encoder.stages(image)[0]
    inside = fan_masks(image, [maps.shape[2:]])[0][:, 0] > 0
    vectors = maps.permute(0, 2, 3, 1)[inside].numpy()
    components = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:16]
    alignment = np.abs(np.linalg.det(components @ encoder.compression(1).numpy().T))
    assert alignment == pytest.approx(1.0, abs=1e-3)
    assert torch.equal(encoder.compression(3), torch.eye(256))


def test_convention_fan_is_where_the_image_is_not_zero(image: Tensor) -> None:
    (mask,) = fan_masks(image, [(4, 4)])
    assert mask[:, :, 0].max() == 0
    assert mask[:, :, 1:].min() == 1


def test_missing_and_foreign_weights_are_refused(encoder: FrozenEncoder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file of backbone weights"):
        load_backbone(encoder, tmp_path / "absent.pt")
    torch.save({"something": torch.zeros(1)}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match=r"keys are missing, among them 'conv1\.weight'"):
        load_backbone(encoder, tmp_path / "foreign.pt")


def test_own_state_dict_round_trips_and_is_named(encoder: FrozenEncoder, tmp_path: Path, image: Tensor) -> None:
    torch.save(FrozenEncoder(EncoderConfig(size=(64, 64), seed=3)).backbone.state_dict(), tmp_path / "own.pt")
    line = load_backbone(encoder, tmp_path / "own.pt")
    assert "own.pt" in line
    assert "sha256" in line
    expected = FrozenEncoder(EncoderConfig(size=(64, 64), seed=3))(image)
    torch.testing.assert_close(encoder(image), expected)


def test_folded_imagenet_weights_equal_a_plain_functional_network(encoder: FrozenEncoder, image: Tensor) -> None:
    if not WEIGHTS.is_file():
        pytest.skip("the folded ImageNet weights are not on this machine")
    load_backbone(encoder, WEIGHTS)
    weights = {key: torch.from_numpy(value) for key, value in np.load(WEIGHTS).items()}
    x = (image.expand(-1, 3, -1, -1) - encoder.mean) / encoder.std
    expected = plain_network(weights, x)
    torch.testing.assert_close(encoder.stages(image), expected, atol=1e-3, rtol=1e-3)


def plain_network(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    def conv(name: str, x: Tensor, stride: int, padding: int) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=stride, padding=padding)

    x = F.max_pool2d(F.relu(conv("conv1", x, 2, 3)), 3, 2, 1)
    maps = []
    for layer in (1, 2, 3):
        for block in (0, 1):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = conv(f"{name}.conv2", F.relu(conv(f"{name}.conv1", x, stride, 1)), 1, 1)
            shortcut = conv(f"{name}.downsample.0", x, stride, 0) if stride == 2 else x
            x = F.relu(y + shortcut)
        maps.append(x)
    return maps
