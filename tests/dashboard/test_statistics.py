"""Tests of the page's statistics against independent references and on simulated weeks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

Script = Callable[..., Any]
# Montgomery, Introduction to Statistical Quality Control, example 7.1: 30 samples of 50 cans.
CANS = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6]
# NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.4.
NIST = [
    52.0,
    47.0,
    53.0,
    49.3,
    50.1,
    47.0,
    51.0,
    50.1,
    51.2,
    50.5,
    49.6,
    47.6,
    49.9,
    51.3,
    47.8,
    51.2,
    52.6,
    52.4,
    53.6,
    52.1,
]
NIST_EWMA = [
    50.60,
    49.52,
    50.56,
    50.18,
    50.16,
    49.21,
    49.75,
    49.85,
    50.26,
    50.33,
    50.11,
    49.36,
    49.52,
    50.05,
    49.38,
    49.92,
]
NIST_EWMA += [50.73, 51.23, 51.94, 51.99]
NUM_SERIES, NUM_WEEKS = 300, 52


def series(seed: int, *, change: float = 0.0, num: int = NUM_SERIES) -> list[list[dict[str, int]]]:
    """Weeks of ten studies of 20 frames, whose shares vary from study to study; the second half may be another."""
    generator = np.random.default_rng(seed)
    share = np.where(np.arange(NUM_WEEKS) < NUM_WEEKS // 2, 0.75, 0.75 - change)
    of_study = generator.beta(share[:, None] * 6, (1 - share[:, None]) * 6, size=(num, NUM_WEEKS, 10))
    accepted = generator.binomial(20, of_study).sum(axis=2)
    return [[{"accepted": int(one), "count": 200} for one in weeks] for weeks in accepted]


def test_intervals_are_those_of_scipy(script: Script) -> None:
    cases = [(0, 5), (3, 10), (7, 7), (431, 1000)]
    found = script("given.map(([a, n]) => wilson(a, n))", cases)
    for (accepted, count), interval in zip(cases, found, strict=True):
        expected = stats.binomtest(accepted, count).proportion_ci(method="wilson")
        assert interval == pytest.approx([expected.low, expected.high], abs=1e-12)
    assert script("[wilson(0, 0), clusteredInterval([{accepted: 3, count: 9}])]") == [None, None]


def test_clustered_intervals_cover_the_share(script: Script) -> None:
    generator = np.random.default_rng(3)
    samples = []
    for _ in range(400):
        counts = generator.integers(5, 40, size=30)
        accepted = generator.binomial(counts, generator.beta(3, 1.5, size=30))
        samples.append([{"accepted": int(a), "count": int(n)} for a, n in zip(accepted, counts, strict=True)])
    clustered = np.array(script("given.map(clusteredInterval)", samples))
    as_if_independent = (
        "given.map(s => wilson(s.reduce((t, o) => t + o.accepted, 0), s.reduce((t, o) => t + o.count, 0)))"
    )
    naive = np.array(script(as_if_independent, samples))
    share = 3 / 4.5
    cover = [float(np.mean((of[:, 0] <= share) & (share <= of[:, 1]))) for of in (clustered, naive)]
    assert cover[0] == pytest.approx(0.95, abs=0.03)
    assert cover[1] < 0.7  # why frames of one study do not count as independent


def test_the_design_effect_of_equal_studies_is_their_size(script: Script) -> None:
    alike = [{"accepted": 8 * (i % 2), "count": 8} for i in range(200)]
    assert script("designEffect(given)", alike) == pytest.approx(8, rel=0.01)
    assert script("designEffect(given)", [{"accepted": 4, "count": 8}] * 20) == 1


def test_limits_are_those_of_the_textbook(script: Script) -> None:
    chart = script("pChart(given, false)", [{"accepted": count, "count": 50} for count in CANS])
    assert chart["center"] == pytest.approx(0.2313, abs=5e-5)
    assert chart["limits"][0] == pytest.approx([0.0524, 0.4102], abs=5e-5)
    assert [i + 1 for i, is_outside in enumerate(chart["outside"]) if is_outside] == [15, 23]


def test_laneys_limits_follow_the_variation_between_weeks(script: Script) -> None:
    independent = [{"accepted": int(one), "count": 200} for one in np.random.default_rng(0).binomial(200, 0.75, 5000)]
    assert script("pChart(given).factor", independent) == pytest.approx(1, abs=0.05)
    charts = script("given.map(weeks => [pChart(weeks), pChart(weeks, false)])", series(0, num=50))
    outside = [np.mean([chart[kind]["outside"] for chart in charts]) for kind in (0, 1)]
    assert outside[0] < 0.01  # 0.27 % expected of a normal variable
    assert outside[1] > 0.03
    # The deviation between weeks, known from how they were drawn: a beta-binomial of ten studies of 20 frames.
    factor = math.sqrt(1 + 19 / 7)
    assert np.mean([chart[0]["factor"] for chart in charts]) == pytest.approx(factor, rel=0.05)


def test_the_average_is_that_of_the_handbook(script: Script) -> None:
    found = script("ewma(given, 50, given.map(() => 2.0539), 0.3)", NIST)
    assert found["line"] == pytest.approx(NIST_EWMA, abs=0.006)
    assert found["limits"][-1] == pytest.approx([47.4115, 52.5884], abs=5e-3)
    assert not any(found["outside"])
    assert found["limits"][0] == pytest.approx([50 - 0.9 * 2.0539, 50 + 0.9 * 2.0539])


def test_a_slow_change_is_seen_by_the_average_and_not_by_the_limits(script: Script) -> None:
    points = [{"accepted": 80, "count": 100}] * 20 + [{"accepted": 73, "count": 100}] * 20
    chart = script("pChart(given)", points)
    found = script("ewma(given.map(o => o.accepted / o.count), 0.80, given.map(() => 0.04))", points)
    assert not any(chart["outside"])
    assert any(found["outside"])


def test_weeks_without_a_change_have_few_change_points(script: Script) -> None:
    found = script("given.map(weeks => changePoints(weeks))", series(1))
    assert np.mean([bool(one) for one in found]) <= 0.03  # one of a hundred series is expected


def test_planted_changes_are_found_where_they_are(script: Script) -> None:
    found = script("given.map(weeks => changePoints(weeks))", series(2, change=0.15, num=100))
    hit = [any(abs(at - NUM_WEEKS // 2) <= 2 for at in one) for one in found]
    assert np.mean(hit) >= 0.9
    assert np.mean([len(one) for one in found]) <= 1.15


def test_changes_are_the_same_at_each_opening(script: Script) -> None:
    weeks = series(4, change=0.05, num=1)[0]
    assert script("changePoints(given)", weeks) == script("changePoints(given)", weeks)


def test_weeks_are_iso_weeks(script: Script) -> None:
    days = np.arange("1970-01-01", "2035-01-01", 11, dtype="datetime64[D]")
    found = script("given.map(day => weekName(mondayOf(day)))", days.astype(int).tolist())
    expected = [f"{year}-W{week:02d}" for year, week, _ in (day.isocalendar() for day in days.astype(object))]
    assert found == expected
