"""Tests of the self-supervised pretraining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from striq.config import EncoderConfig, StriqConfig
from striq.data.augmentation import extend_beyond_fan
from striq.data.unlabeled import gather_images
from striq.errors import DatasetError, StriqError
from striq.model.backbone_files import fit_encoder_config, load_backbone, read_backbone_name, shipped_backbone
from striq.model.encoder import FrozenEncoder
from striq.scoring.scorer import StriqScorer
from striq.training import contrastive_views, pretraining
from striq.training.cache import FeatureCache, ViewSettings
from striq.training.calibration import Calibration
from striq.training.contrastive_views import draw_views
from striq.training.pretraining import PretrainingConfig, PretrainingRun, pretrain_backbone
from striq.training.pretraining_losses import location_loss
from striq.training.training_frames import TrainingFrames
from striq.types import FrameRecord

SMALL = PretrainingConfig(steps=4, batch_size=2, crop=48)


@pytest.fixture(scope="module")
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 + 0.9 * torch.rand(3, 1, 64, 64, generator=generator)


def state(path: Path) -> dict[str, Tensor]:
    return torch.load(path, weights_only=True)


def test_loss_is_low_only_for_the_true_transform() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.nn.functional.normalize(torch.randn(1, 32, 8, 8, generator=generator), dim=1)
    second = first.roll(-2, dims=3)  # content of `first` two cells to the right of each location
    shift = torch.tensor([[[1.0, 0.0, 2 * 2 / 8], [0.0, 1.0, 0.0]]])
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    assert location_loss(first, second, shift, 0.05, generator) < 0.05
    assert location_loss(first, second, identity, 0.05, generator) > 2
    assert location_loss(first, second, shift * torch.tensor([1.0, 1.0, -1.0]), 0.05, generator) > 2


def test_transform_of_a_pair_leads_from_the_second_view_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 64, 64)  # the value of a pixel is its x coordinate
    monkeypatch.setattr(contrastive_views, "change_appearance", lambda view, *_, **__: view)
    views = draw_views(ramp[None], 4, 48, torch.Generator().manual_seed(3))
    centers = views.transforms[:, :, 2]  # where the middle of the second view lies in the first
    grid = centers[:, None, None, :]
    expected = torch.nn.functional.grid_sample(views.first, grid, align_corners=False)[:, 0, 0, 0]
    middle = views.second[:, 0, 23:25, 23:25].mean(dim=(1, 2))
    torch.testing.assert_close(middle, expected, atol=0.02, rtol=0)


def test_pretrained_file_starts_the_encoder(images: Tensor, tmp_path: Path) -> None:
    path = pretrain_backbone(images, tmp_path / "backbone.pt", SMALL, quiet=True)
    encoder = FrozenEncoder(EncoderConfig())
    before = encoder.backbone.conv1.weight.clone()
    load_backbone(encoder, path)
    assert not torch.equal(encoder.backbone.conv1.weight, before)
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.parametrize("name", ["resnet18_quarter", "resnet18_separable"])
def test_pretrained_file_of_a_lighter_network_names_it(images: Tensor, tmp_path: Path, name: str) -> None:
    path = pretrain_backbone(images, tmp_path / "light.pt", replace(SMALL, backbone=name, steps=2), quiet=True)
    assert read_backbone_name(path) == name
    encoder = FrozenEncoder(fit_encoder_config(EncoderConfig(), name))
    load_backbone(encoder, path)
    assert [head.shape[1] for head in encoder.heads] == list(encoder.stage_channels)


def test_pretraining_resumes_to_the_same_weights(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "SAVING_INTERVAL", 2)
    whole = pretrain_backbone(images, tmp_path / "whole.pt", SMALL, quiet=True)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pretraining, "_save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pretrain_backbone(images, tmp_path / "part.pt", SMALL, quiet=True)
    unfinished = tmp_path / "part.pt.unfinished"
    assert unfinished.is_file()
    monkeypatch.undo()
    monkeypatch.setattr(pretraining, "SAVING_INTERVAL", 2)
    stopped = PretrainingRun(SMALL)
    extended = torch.stack([extend_beyond_fan(image) for image in images])
    for _ in range(2):
        stopped.advance(extended)
    torch.save(stopped.state_dict(), unfinished)  # as it was after two of four steps
    part = pretrain_backbone(images, tmp_path / "part.pt", SMALL, resume=True, quiet=True)
    for name, value in state(whole).items():
        torch.testing.assert_close(state(part)[name], value, rtol=0, atol=0)


def write_picture(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(1, 255, (64, 64), dtype=np.uint8)).save(path)


def test_frames_of_each_source_are_counted_and_bad_files_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_picture(tmp_path / "good" / "frame.png")
    (tmp_path / "good" / "broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "empty").mkdir()
    caplog.set_level("INFO")
    images = gather_images([tmp_path / "good", tmp_path / "empty"], phantom_subjects=1, quiet=True)
    assert images.shape == (19, 1, 256, 256)
    assert "broken.png" in caplog.text
    assert f"Frames of {tmp_path / 'good'}: 1." in caplog.messages
    assert f"Frames of {tmp_path / 'empty'}: 0." in caplog.messages
    assert "Frames of the phantom: 18." in caplog.messages


@pytest.mark.parametrize("phantom_subjects", [0, 1])
def test_folders_without_a_frame_end_in_one_error(
    phantom_subjects: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StriqError, match=r"empty: no frames for pretraining.*no readable file") as caught:
        gather_images([tmp_path / "empty"], phantom_subjects=phantom_subjects, quiet=True)
    assert "\n" not in str(caught.value)
    assert not caplog.messages
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DatasetError, match=r"empty, .*broken\.png: no frames for pretraining"):
        gather_images([tmp_path / "empty", tmp_path / "broken.png"], phantom_subjects=phantom_subjects, quiet=True)


def test_without_folders_the_phantom_alone_is_used_and_without_it_nothing() -> None:
    assert len(gather_images([], phantom_subjects=1, quiet=True)) == 18
    with pytest.raises(DatasetError, match=r"no path: no frames for pretraining"):
        gather_images([], phantom_subjects=0, quiet=True)


def test_aligner_starts_from_the_heads_of_the_pretraining(images: Tensor, tmp_path: Path) -> None:
    path = pretrain_backbone(images, tmp_path / "backbone.pt", SMALL, quiet=True)
    config = StriqConfig(encoder=EncoderConfig(size=(64, 64)))
    records = [FrameRecord(Path(f"{index}.png"), "plane", f"group{index}") for index in range(len(images))]
    scorer = StriqScorer(["plane"], config)
    load_backbone(scorer.model.encoder, path)
    cache = FeatureCache(images, ViewSettings(count=1), quiet=True)
    Calibration(scorer, TrainingFrames.all_training(images, records), cache, pretrained=True).prepare()
    model, heads = scorer.model, state(path)
    for stage, projection in enumerate(model.aligner.projections, start=1):
        rows = model.encoder.compression(stage)
        compressed = torch.einsum("kc,bchw->bkhw", rows, model.encoder.stages(images)[stage - 1])
        kept = torch.einsum("kc,bkhw->bchw", rows, compressed)  # the part of the features that compression keeps
        wanted = torch.nn.functional.conv2d(kept, heads[f"head{stage}.weight"].float())
        alike = torch.nn.functional.cosine_similarity(wanted.flatten(), projection(compressed).flatten(), dim=0)
        assert alike > 0.999


def test_shipped_backbone_has_heads_and_no_bad_value(tmp_path: Path) -> None:
    weights = state(shipped_backbone() or tmp_path)
    assert {f"head{stage}.weight" for stage in (1, 2, 3)} <= set(weights)
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())
