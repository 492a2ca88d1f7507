"""Tests of ``striq.data.degradation``: degradations remove structure, perturbations do not, the fan does not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from striq.data.degradation import ALL, CROP, DEGRADATIONS, GAIN, PERTURBATIONS, degrade, perturb
from striq.data.fan import fan_mask
from striq.data.phantom import PhantomFrame, make_phantom
from striq.data.preprocessing import DARKEST, prepare_frame
from striq.registration.affine import pixel_grid
from striq.types import Frame


@pytest.fixture(scope="module")
def phantom() -> PhantomFrame:
    return make_phantom(1, 1, planes=("a4c",), seed=5)[0]


@pytest.fixture(scope="module")
def prepared(phantom: PhantomFrame) -> Tensor:
    return prepare_frame(Frame(phantom.pixels), (128, 128))


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_structure_is_lost_step_by_step_inside_the_same_fan(prepared: Tensor, kind: str) -> None:
    steps = [degrade(prepared, kind, severity) for severity in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert torch.equal(steps[0], prepared)
    for step in steps:
        assert torch.equal(step > 0, prepared > 0)
        assert float(step.max()) <= 1
        assert float(step[step > 0].min()) >= DARKEST
    distance = [float((step - prepared).abs().mean()) for step in steps]
    assert distance == sorted(distance)
    assert distance[1] > 0


@pytest.mark.parametrize("kind", sorted(set(DEGRADATIONS) - {"shadow"}))
def test_convention_no_affine_transform_undoes_a_loss(kind: str) -> None:
    # Degraded coordinate ramps show where each point came from. The best affine fit must leave a residual.
    points = pixel_grid(64, 64, torch.ones(1))
    ramps = [(points[:, axis].view(1, 64, 64) + 1.2) / 2.4 for axis in (0, 1)]
    moved = torch.stack([degrade(ramp, kind, 1.0)[0] for ramp in ramps], dim=-1).flatten(0, 1)
    plain = torch.stack([ramp[0] for ramp in ramps], dim=-1).flatten(0, 1)
    design = torch.cat([plain, torch.ones(len(plain), 1)], dim=1)
    rest = moved - design @ torch.linalg.lstsq(design, moved).solution
    assert float(rest.square().mean().sqrt()) > 0.02


def test_an_unknown_loss_or_severity_is_refused(prepared: Tensor) -> None:
    with pytest.raises(ValueError, match=r"'kind' must be one of foreshortening, .* got 'fog' and 0.5"):
        degrade(prepared, "fog", 0.5)
    with pytest.raises(ValueError, match=r"within \[0, 1\], got 'shadow' and 2"):
        degrade(prepared, "shadow", 2)
    with pytest.raises(ValueError, match="'kind' must be one of gain, gamma, speckle, crop or all, got 'fog'"):
        perturb(prepared[0].numpy(), "fog", generator=np.random.default_rng(0))


@pytest.mark.parametrize("kind", [*PERTURBATIONS, ALL])
def test_nuisance_is_seeded_and_stays_in_range(phantom: PhantomFrame, kind: str) -> None:
    first, again, other = (perturb(phantom.pixels, kind, generator=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 1


def test_gain_and_gamma_keep_the_order_of_gray_values(phantom: PhantomFrame) -> None:
    order = np.argsort(phantom.pixels, axis=None, kind="stable")
    for kind in ("gain", "gamma"):
        changed = perturb(phantom.pixels, kind, generator=np.random.default_rng(3)).ravel()[order]
        assert (np.diff(changed) >= 0).all()
    louder = [perturb(phantom.pixels, "gain", generator=np.random.default_rng(seed)).mean() for seed in range(20)]
    ratio = np.array(louder) / phantom.pixels.mean()
    assert ratio.min() >= 1 - GAIN - 1e-6
    assert ratio.max() <= 1 + GAIN + 1e-6
    assert np.ptp(ratio) > GAIN


def test_speckle_is_fine_and_leaves_the_mean(phantom: PhantomFrame) -> None:
    changed = perturb(phantom.pixels, "speckle", generator=np.random.default_rng(3))
    assert changed.mean() == pytest.approx(phantom.pixels.mean(), rel=0.03)
    assert np.abs(changed - phantom.pixels).mean() > 0.01


def test_crop_moves_each_side_by_a_share_and_keeps_pixels(phantom: PhantomFrame) -> None:
    height, width = phantom.pixels.shape
    for seed in range(10):
        changed = perturb(phantom.pixels, "crop", generator=np.random.default_rng(seed))
        assert abs(changed.shape[0] / height - 1) <= 2 * CROP + 2 / height
        assert abs(changed.shape[1] / width - 1) <= 2 * CROP + 2 / width
        assert set(np.unique(changed)) <= set(np.unique(phantom.pixels)) | {0.0}


def test_a_fan_that_was_only_padded_is_prepared_the_same(phantom: PhantomFrame) -> None:
    inner = np.pad(phantom.pixels * fan_mask(phantom.pixels), 20)
    padded = np.pad(inner, ((7, 0), (0, 9)))
    assert torch.equal(prepare_frame(Frame(inner), (128, 128)), prepare_frame(Frame(padded), (128, 128)))
