"""Tests of ``striq.evaluation.statistics.multiple_testing``."""

from __future__ import annotations

import numpy as np
import pytest

from striq.evaluation.statistics.multiple_testing import holm


def test_published_example_of_holms_method() -> None:
    # The example of R's documentation of p.adjust(..., "holm"), worked out by hand: 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.04.
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.04]), [0.04, 0.06, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.04, 0.005, 0.03, 0.005]), [0.06, 0.02, 0.06, 0.02])


def test_it_rejects_what_the_step_down_rule_rejects() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        p_values = generator.uniform(0, 0.1, size=8)
        rejected, order = np.zeros(8, dtype=bool), np.argsort(p_values)
        for step, index in enumerate(order):
            if p_values[index] > 0.05 / (8 - step):
                break
            rejected[index] = True
        assert (holm(p_values) <= 0.05).tolist() == rejected.tolist()


def test_values_lie_between_the_plain_ones_and_bonferronis() -> None:
    p_values = np.random.default_rng(1).uniform(size=12)
    corrected = holm(p_values)
    assert (corrected >= p_values).all()
    assert (corrected <= np.minimum(12 * p_values, 1)).all()


def test_undefined_values_stay_so_and_do_not_count() -> None:
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert holm([]).shape == (0,)


def test_a_true_null_hypothesis_is_seldom_rejected_among_many() -> None:
    generator = np.random.default_rng(2)
    found = [holm(generator.uniform(size=20)).min() <= 0.05 for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.03)
