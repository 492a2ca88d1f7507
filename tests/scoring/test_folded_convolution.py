"""Tests of ``striq.scoring.folded_convolution``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from striq.scoring.folded_convolution import Convolution, prepacking_works

AVX512 = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
MAPS = torch.rand(2, 8, 12, 10, generator=torch.Generator().manual_seed(0)) - 0.5
WEIGHT = torch.rand(16, 8, 3, 3, generator=torch.Generator().manual_seed(1)) - 0.5
CONVOLUTION = Convolution(WEIGHT, torch.linspace(-1, 1, 16), [2, 2], [1, 1])


@pytest.fixture(autouse=True)
def unasked() -> Iterator[None]:
    prepacking_works.cache_clear()
    yield
    prepacking_works.cache_clear()


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_convolution_made_ready_gives_what_it_gave(dtype: torch.dtype) -> None:
    ready, margin = CONVOLUTION.ready(dtype, (12, 10)), 1e-5 if dtype == torch.float32 else 0.05
    plain = CONVOLUTION(MAPS)
    for maps in (MAPS, MAPS.to(memory_format=torch.channels_last)):
        torch.testing.assert_close(ready(maps).float(), plain, atol=margin, rtol=0)
        torch.testing.assert_close(ready(maps, rectified=True).float(), plain.clamp(min=0), atol=margin, rtol=0)
        sums = torch.full_like(plain, 0.25)
        assert ready.add_to(sums, maps) is sums
        torch.testing.assert_close(sums, (plain + 0.25).clamp(min=0), atol=margin, rtol=0)


@pytest.mark.skipif(not AVX512, reason="weights are prepacked only with AVX-512, where it was measured to pay")
def test_weights_are_prepacked_once() -> None:
    assert prepacking_works(torch.float32)
    assert CONVOLUTION.ready(torch.float32, (12, 10)).prepacked
    in_half = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert CONVOLUTION.ready(torch.bfloat16, (12, 10)).prepacked == prepacking_works(torch.bfloat16) == in_half


def fails(*_: Any) -> Any:
    raise RuntimeError("no such operation")


def other_arguments() -> None:
    pass


def other_numbers(maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *_: Any) -> torch.Tensor:
    return torch.zeros(1, 16, 8, 8)


@pytest.mark.parametrize("changed", [fails, other_arguments, other_numbers])
def test_where_the_library_has_changed_weights_stay_as_they_are(
    changed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", changed, raising=False)
    assert not prepacking_works(torch.float32)
    assert not CONVOLUTION.ready(torch.float32, (12, 10)).prepacked
