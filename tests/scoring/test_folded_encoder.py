"""Tests of ``striq.scoring.folded_encoder``: the frozen encoder, faster."""

from __future__ import annotations

import pytest
import torch

from striq.config import EncoderConfig
from striq.errors import StriqError
from striq.model.backbone_files import fit_encoder_config
from striq.model.encoder import FrozenEncoder, calibrate
from striq.model.resnet import BACKBONES, STAGE_CHANNELS
from striq.scoring import folded_convolution
from striq.scoring.folded_encoder import PRECISIONS, FoldedEncoder, pick_precision

IMAGE = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


@pytest.fixture(scope="module")
def encoder() -> FrozenEncoder:
    frozen = FrozenEncoder(EncoderConfig(size=(64, 64)))
    calibrate(frozen, [IMAGE])  # so that folding has means and variances to fold
    return frozen


@torch.inference_mode()
def test_folded_maps_are_the_encoders_up_to_the_edge(encoder: FrozenEncoder) -> None:
    for found, plain in zip(FoldedEncoder(encoder, PRECISIONS["float32"])(IMAGE), encoder(IMAGE), strict=True):
        torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("prepacked", [True, False])
@pytest.mark.parametrize("size", [(64, 64), (61, 67), (96, 64)])
def test_maps_are_the_encoders_at_any_size_and_on_any_processor(
    encoder: FrozenEncoder, size: tuple[int, int], prepacked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not prepacked:
        monkeypatch.setattr(folded_convolution, "prepacking_works", lambda dtype: False)
    folded = FoldedEncoder(encoder, PRECISIONS["float32"])
    image = torch.rand(3, 1, *size, generator=torch.Generator().manual_seed(1))
    for found, plain in zip(folded(image), encoder(image), strict=True):
        torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_half_the_digits_cost_a_few_percent_at_most(encoder: FrozenEncoder) -> None:
    for found, plain in zip(FoldedEncoder(encoder, PRECISIONS["bfloat16"])(IMAGE), encoder(IMAGE), strict=True):
        assert found.dtype == torch.float32
        assert 1e-4 < float((found - plain).norm() / plain.norm()) < 0.05


@torch.inference_mode()
def test_mixed_precision_leaves_stages_1_and_2_as_they_are(encoder: FrozenEncoder) -> None:
    single, mixed = (FoldedEncoder(encoder, PRECISIONS[name])(IMAGE) for name in ("float32", "mixed"))
    assert [torch.equal(a, b) for a, b in zip(single, mixed, strict=True)] == [True, True, False]
    assert float((single[2] - mixed[2]).norm() / single[2].norm()) < 0.02


@torch.inference_mode()
def test_maps_of_one_stage_are_not_changed_by_the_next() -> None:
    frozen = FrozenEncoder(EncoderConfig(size=(64, 64), channels=STAGE_CHANNELS))  # nothing compressed: maps are shared
    calibrate(frozen, [IMAGE])
    for found, plain in zip(FoldedEncoder(frozen, PRECISIONS["float32"])(IMAGE), frozen(IMAGE), strict=True):
        torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("prepacked", [True, False])
@pytest.mark.parametrize("name", BACKBONES)
def test_folded_maps_of_every_network_are_the_encoders(
    name: str, prepacked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not prepacked:
        monkeypatch.setattr(folded_convolution, "prepacking_works", lambda dtype: False)
    frozen = FrozenEncoder(fit_encoder_config(EncoderConfig(size=(64, 64)), name))
    calibrate(frozen, [IMAGE])
    for precision, within in (("float32", 1e-4), ("bfloat16", 0.05)):
        for found, plain in zip(FoldedEncoder(frozen, PRECISIONS[precision])(IMAGE), frozen(IMAGE), strict=True):
            assert float((found - plain).norm() / plain.norm()) < within


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of auto, float32, mixed, bfloat16, float16, got 'int8'"):
        pick_precision("int8", torch.device("cpu"))
    with pytest.raises(StriqError, match=r"float16 needs a CUDA device, got 'cpu'\. Choose mixed"):
        pick_precision("float16", torch.device("cpu"))


def test_precision_follows_what_the_device_computes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for supported, expected in ((True, "mixed"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda supported=supported: supported)
        assert pick_precision("auto", torch.device("cpu")) == PRECISIONS[expected]
    assert pick_precision("auto", torch.device("cuda")) == PRECISIONS["float16"]
    for name, precisions in PRECISIONS.items():
        assert pick_precision(name, torch.device("cuda")) == precisions
