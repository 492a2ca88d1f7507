"""Tests of ``striq.model.subspace_metrics``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from striq.model.subspace_metrics import cross_gram_norms, effective_rank, principal_angles, summary


def test_principal_angles_agree_with_scipy() -> None:
    basis = torch.randn(3, 4, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = principal_angles(basis)
    for c in range(3):
        for other in range(3):
            if c != other:
                expected = np.sort(np.degrees(subspace_angles(basis[c].numpy().T, basis[other].numpy().T)))
                np.testing.assert_allclose(found[c, other].numpy(), expected, atol=1e-5)


def test_orthogonal_subspaces_are_a_right_angle_apart_and_a_subspace_none_from_itself() -> None:
    basis = torch.eye(8, dtype=torch.float64).view(2, 4, 8)
    torch.testing.assert_close(principal_angles(basis)[0, 1], torch.full((4,), 90.0, dtype=torch.float64))
    torch.testing.assert_close(principal_angles(basis)[0, 0], torch.zeros(4, dtype=torch.float64), atol=1e-4, rtol=0)
    assert summary(basis)["principal_angle_min_deg"] == pytest.approx(90)


def test_cross_gram_norm_equals_the_matrix_product() -> None:
    basis = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = np.linalg.norm(basis[0].numpy() @ basis[1].numpy().T)
    assert float(cross_gram_norms(basis)[0, 1]) == pytest.approx(expected)


def test_effective_rank_counts_directions_not_rows() -> None:
    independent, collapsed = torch.eye(4, 9), torch.eye(1, 9).repeat(4, 1)
    torch.testing.assert_close(effective_rank(torch.stack([independent, collapsed])), torch.tensor([4.0, 1.0]))


def test_one_plane_has_no_angles() -> None:
    assert set(summary(torch.eye(3, 5)[None])) == {"effective_rank_min"}
