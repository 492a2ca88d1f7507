"""Tests of ``striq.inference.encoder``: the frozen encoder, faster."""

from __future__ import annotations

import pytest
import torch

from striq.config import EncoderConfig
from striq.inference.encoder import FoldedEncoder, pick_precision
from striq.model.encoder import FrozenEncoder, calibrate

IMAGE = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


@pytest.fixture(scope="module")
def encoder() -> FrozenEncoder:
    frozen = FrozenEncoder(EncoderConfig(size=(64, 64)))
    calibrate(frozen, [IMAGE])  # so that folding has means and variances to fold
    return frozen


@torch.inference_mode()
def test_folded_maps_are_the_encoders_up_to_the_edge(encoder: FrozenEncoder) -> None:
    for found, plain in zip(FoldedEncoder(encoder, torch.float32)(IMAGE), encoder(IMAGE), strict=True):
        torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_half_the_digits_cost_a_few_percent_at_most(encoder: FrozenEncoder) -> None:
    for found, plain in zip(FoldedEncoder(encoder, torch.bfloat16)(IMAGE), encoder(IMAGE), strict=True):
        assert found.dtype == torch.float32
        assert 1e-4 < float((found - plain).norm() / plain.norm()) < 0.05


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of auto, float32, bfloat16, got 'int8'"):
        pick_precision("int8", torch.device("cpu"))


def test_precision_is_bfloat16_only_where_the_processor_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for supported, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda supported=supported: supported)
        assert pick_precision("auto", torch.device("cpu")) == expected
    assert pick_precision("bfloat16", torch.device("cpu")) == torch.bfloat16
    assert pick_precision("float32", torch.device("cpu")) == torch.float32
