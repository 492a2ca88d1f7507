"""Tests of ``striq.data.splits``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striq.data.splits import Fold, check_disjoint_groups, group_folds, hold_out
from striq.errors import DatasetError
from striq.types import FrameRecord


def make_records(frames_of_group: dict[str, dict[str, int]]) -> list[FrameRecord]:
    """Return records for ``{group: {plane: number of frames}}``."""
    return [
        FrameRecord(Path(plane) / group / f"{index}.png", plane, group, rating=float(index % 3))
        for group, planes in frames_of_group.items()
        for plane, number in planes.items()
        for index in range(number)
    ]


@pytest.fixture
def records() -> list[FrameRecord]:
    """Sixty groups of uneven size, some of them in both planes."""
    generator = np.random.default_rng(0)
    sizes = {}
    for number in range(60):
        planes = ("A2C", "A4C") if number % 3 == 0 else (("A2C",) if number % 3 == 1 else ("A4C",))
        sizes[f"p{number:02d}"] = {plane: int(generator.integers(1, 12)) for plane in planes}
    return make_records(sizes)


def test_planted_leak_is_caught(records: list[FrameRecord]) -> None:
    fold = group_folds(records, seed=0)[0]
    leaked = replace(fold.test[0], path=Path("another_frame_of_the_same_patient.png"))
    with pytest.raises(DatasetError, match=f"1 group.*both sides of a split: {leaked.group}"):
        check_disjoint_groups([*fold.train, leaked], fold.test)
    with pytest.raises(DatasetError, match="both sides"):
        Fold((*fold.train, leaked), fold.test)


def test_every_frame_is_tested_once_and_groups_stay_together(records: list[FrameRecord]) -> None:
    folds = group_folds(records, 5, seed=0)
    assert Counter(record for fold in folds for record in fold.test) == Counter(records)
    for fold in folds:
        assert not {record.group for record in fold.train} & {record.group for record in fold.test}
        assert set(fold.train) | set(fold.test) == set(records)


@pytest.mark.parametrize("seed", range(5))
def test_folds_have_near_equal_numbers_of_frames_of_every_plane(records: list[FrameRecord], seed: int) -> None:
    for plane in ("A2C", "A4C"):
        sizes = [sum(r.plane == plane for r in fold.test) for fold in group_folds(records, 5, seed=seed)]
        largest_group = max(Counter(r.group for r in records if r.plane == plane).values())
        assert max(sizes) - min(sizes) <= largest_group


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_equal_where_small_groups_can_fill_the_gaps(seed: int) -> None:
    sizes = [8, 7, 6, 5, 4] + [1] * 20  # 50 frames: ten in each fold
    folds = group_folds(make_records({f"p{i:02d}": {"A4C": size} for i, size in enumerate(sizes)}), 5, seed=seed)
    assert [len(fold.test) for fold in folds] == [10] * 5


def test_order_of_the_records_does_not_matter(records: list[FrameRecord]) -> None:
    shuffled = [records[index] for index in np.random.default_rng(1).permutation(len(records))]
    assert group_folds(shuffled, seed=3) == group_folds(records, seed=3)
    assert hold_out(shuffled, 0.2, seed=3) == hold_out(records, 0.2, seed=3)


def test_seed_decides_and_alone_decides(records: list[FrameRecord]) -> None:
    assert group_folds(records, seed=0) == group_folds(records, seed=0)
    assert group_folds(records, seed=0) != group_folds(records, seed=1)


def test_ratings_play_no_part(records: list[FrameRecord]) -> None:
    unrated = [replace(record, rating=None) for record in records]
    for rated_fold, fold in zip(group_folds(records, seed=0), group_folds(unrated, seed=0), strict=True):
        assert [record.path for record in rated_fold.test] == [record.path for record in fold.test]
    assert [r.path for r in hold_out(records, 0.3, seed=0)[1]] == [r.path for r in hold_out(unrated, 0.3, seed=0)[1]]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_held_out_part_has_about_the_fraction_of_every_plane(
    records: list[FrameRecord], fraction: float, seed: int
) -> None:
    kept, held_out = hold_out(records, fraction, seed=seed)
    assert Counter(kept + held_out) == Counter(records)
    assert not {record.group for record in kept} & {record.group for record in held_out}
    for plane in ("A2C", "A4C"):
        share = sum(r.plane == plane for r in held_out) / sum(r.plane == plane for r in records)
        assert share == pytest.approx(fraction, abs=0.05)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_every_plane_is_on_both_sides_even_with_few_groups(fraction: float) -> None:
    records = make_records({"a": {"A2C": 5}, "b": {"A2C": 5}, **{f"p{i}": {"A4C": 2} for i in range(40)}})
    for part in hold_out(records, fraction, seed=0):
        assert {record.plane for record in part} == {"A2C", "A4C"}


def test_fewer_groups_than_folds_is_refused_with_the_plane() -> None:
    records = make_records({**{f"p{i}": {"A4C": 3} for i in range(9)}, "q": {"A2C": 50}})
    with pytest.raises(DatasetError, match=r"Plane 'A2C' has frames of 1 groups, but the split needs 5"):
        group_folds(records, 5, seed=0)
    with pytest.raises(DatasetError, match=r"Plane 'A2C' has frames of 1 groups, but the split needs 2"):
        hold_out(records, 0.1, seed=0)


def test_empty_data_set_is_refused() -> None:
    with pytest.raises(DatasetError, match="empty"):
        group_folds([], seed=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_fraction_outside_its_range_is_refused(records: list[FrameRecord], fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_out(records, fraction, seed=0)
