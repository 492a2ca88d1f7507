"""Tests of ``striq.model.backbone_files``: which network the weights in a file are of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from striq.config import EncoderConfig
from striq.errors import CheckpointError
from striq.model.backbone_files import SHIPPED, fit_encoder_config, load_backbone, read_backbone_name, shipped_backbone
from striq.model.encoder import FrozenEncoder
from striq.model.resnet import BACKBONES

SMALL = EncoderConfig(size=(64, 64), seed=3)


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_come_back_into_the_network_that_the_file_names(name: str, tmp_path: Path) -> None:
    config = fit_encoder_config(SMALL, name)
    written = FrozenEncoder(config)
    torch.save({"backbone": name, **written.backbone.state_dict()}, tmp_path / "weights.pt")
    assert read_backbone_name(tmp_path / "weights.pt") == name
    read = FrozenEncoder(fit_encoder_config(EncoderConfig(size=(64, 64)), name))
    assert "weights.pt" in load_backbone(read, tmp_path / "weights.pt")
    for key, value in written.backbone.state_dict().items():
        assert torch.equal(read.backbone.state_dict()[key], value), key


def test_no_stage_keeps_more_channels_than_the_network_has() -> None:
    assert fit_encoder_config(EncoderConfig(), "resnet18_quarter").channels == (16, 32, 64)
    assert fit_encoder_config(EncoderConfig(), "resnet18_half").channels == (16, 32, 128)
    assert fit_encoder_config(EncoderConfig(), "resnet18") == EncoderConfig()


def test_file_without_a_name_is_of_resnet18(tmp_path: Path) -> None:
    torch.save(FrozenEncoder(SMALL).backbone.state_dict(), tmp_path / "plain.pt")
    assert read_backbone_name(tmp_path / "plain.pt") == "resnet18"
    assert read_backbone_name(shipped_backbone() or tmp_path) == "resnet18"


def test_weights_of_another_or_an_unknown_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    half = FrozenEncoder(fit_encoder_config(SMALL, "resnet18_half"))
    torch.save({"backbone": "resnet18_half", **half.backbone.state_dict()}, path)
    with pytest.raises(CheckpointError, match="weights of resnet18_half, but the encoder is resnet18"):
        load_backbone(FrozenEncoder(SMALL), path)
    for foreign in ("vgg", 3, torch.zeros(2)):
        torch.save({"backbone": foreign, **half.backbone.state_dict()}, path)
        with pytest.raises(CheckpointError, match="unknown network"):
            read_backbone_name(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_found_by_the_name_of_their_network(name: str) -> None:
    encoder = FrozenEncoder(fit_encoder_config(EncoderConfig(size=(64, 64)), read_backbone_name(name)))
    assert encoder.config.backbone == name
    assert SHIPPED[name] in load_backbone(encoder, name)
    assert len(encoder.heads) == 3
    assert all(bool(torch.isfinite(value).all()) for value in encoder.backbone.state_dict().values())


def test_a_file_comes_before_the_name_of_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(FrozenEncoder(SMALL).backbone.state_dict(), tmp_path / "resnet18_half")
    assert read_backbone_name("resnet18_half") == "resnet18"


def test_a_network_without_shipped_weights_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="resnet18 or resnet18_half for weights that are part of the package"):
        read_backbone_name("resnet18_quarter")
