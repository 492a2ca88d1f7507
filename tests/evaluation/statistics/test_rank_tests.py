"""Tests of ``striq.evaluation.statistics.rank_tests``."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2

from striq.evaluation.statistics.rank_tests import compare_ranks, critical_difference, indistinct_groups

# Table 5(a) of Demšar, JMLR 2006: critical values of Nemenyi's test at 0.05 for 2 to 10 classifiers.
PUBLISHED = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)
# Table 6 of the same paper: AUC of four variants of C4.5 on 14 data sets.
AUC = (
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.975),
    (0.957, 0.978, 0.946, 0.970),
)
NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")


def test_critical_values_are_the_published_ones() -> None:
    for count, value in enumerate(PUBLISHED, start=2):
        found = critical_difference(count, 10) / math.sqrt(count * (count + 1) / 60)
        assert found == pytest.approx(value, abs=0.001)


def test_mean_ranks_of_the_published_example() -> None:
    found = compare_ranks(AUC, NAMES, alpha=0.1)
    np.testing.assert_allclose(found.mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=0.001)
    assert found.critical_difference == pytest.approx(2.291 * math.sqrt(20 / 84), abs=0.001)  # the paper's 1.12
    chi_square = 12 * 14 / 20 * (float(np.square(found.mean_ranks).sum()) - 4 * 25 / 4)
    assert chi_square == pytest.approx(9.28, abs=0.01)  # the paper's, which is not corrected for ties
    assert 0.01 < found.p_value < chi2.sf(chi_square, 3)


def test_groups_of_the_published_example_join_neighbors_only() -> None:
    # Order: m+cf 1.964, m 2.000, cf 2.893, C4.5 3.143. C4.5 differs from the first two by more than 1.12.
    assert indistinct_groups(compare_ranks(AUC, NAMES, alpha=0.1)) == [(0, 2), (2, 3)]


def test_ties_in_every_plane_have_no_p_value() -> None:
    found = compare_ranks(np.ones((4, 3)), "abc")
    assert math.isnan(found.p_value)
    assert found.mean_ranks.tolist() == [2, 2, 2]
    assert indistinct_groups(found) == [(0, 2)]


@pytest.mark.parametrize("values", [np.ones((2, 5)), np.ones((5, 2)), np.full((4, 3), np.nan), np.ones(3)])
def test_too_few_planes_or_scores_and_undefined_values_are_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"got values of shape|got shape"):
        compare_ranks(values, "abc")
