"""Tests of ``striq.scoring.cpu.resampling``: the same as warping."""

from __future__ import annotations

import pytest
import torch

from striq.registration.affine import identity_affine, warp
from striq.scoring.cpu.resampling import MapTable, cell_table

GENERATOR = torch.Generator().manual_seed(3)
TRANSFORMS = {
    "identity": identity_affine(3, torch.zeros(1)).clone(),
    "small": identity_affine(3, torch.zeros(1)) + 0.2 * torch.randn(3, 2, 3, generator=GENERATOR),
    "far outside": identity_affine(3, torch.zeros(1)) + torch.tensor([[0.0, 0.0, 5.0], [0.0, 0.0, -9.0]]),
    "half outside": identity_affine(3, torch.zeros(1)) + torch.tensor([[0.0, 0.0, 0.9], [0.1, 0.0, -1.1]]),
    "enlarging": 0.3 * identity_affine(3, torch.zeros(1)),
    "shrinking": 4.0 * identity_affine(3, torch.zeros(1)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", [(8, 8), (6, 11)])
def test_samples_of_all_cells_are_the_warped_map(name: str, size: tuple[int, int]) -> None:
    maps = torch.randn(3, 5, *size, generator=torch.Generator().manual_seed(0))
    sampled = MapTable(maps).sample(TRANSFORMS[name], cell_table(*size, maps))
    expected = warp(maps, TRANSFORMS[name]).flatten(2).permute(2, 0, 1)
    torch.testing.assert_close(sampled, expected, atol=2e-5, rtol=1e-5)
    by_map = MapTable(maps).sample(TRANSFORMS[name], cell_table(*size, maps), maps_first=True)
    torch.testing.assert_close(by_map.transpose(0, 1), sampled, atol=1e-6, rtol=0)


def test_only_the_cells_asked_for_are_sampled() -> None:
    maps = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    some = torch.tensor([7, 0, 19])
    table, cells = MapTable(maps), cell_table(4, 5, maps)
    everything = table.sample(TRANSFORMS["small"], cells)
    torch.testing.assert_close(table.sample(TRANSFORMS["small"], cells[:, some]), everything[some])
    assert table.sample(TRANSFORMS["small"], cells[:, :0]).shape == (0, 3, 2)
