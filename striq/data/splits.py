"""Splits of a data set by group, so that no patient, fetus, exam or clip is on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striq.errors import DatasetError
from striq.types import FrameRecord

ADD_GROUPS = (  # where nothing else would help
    "Add frames of other groups, or leave the plane out. If the frames are of several patients, state the groups: one "
    "folder for each below the plane, or --group-pattern."
)


@dataclass(frozen=True)
class Fold:
    """One split of a cross-validation; both parts are sorted by path and have no group in common."""

    train: tuple[FrameRecord, ...]
    test: tuple[FrameRecord, ...]

    def __post_init__(self) -> None:
        check_disjoint_groups(self.train, self.test)


def check_disjoint_groups(a: Iterable[FrameRecord], b: Iterable[FrameRecord]) -> None:
    """Check that two parts of a data set have no group in common.

    Raises:
        DatasetError: If a group has frames in both parts. The message names up to five such groups.
    """
    shared = sorted({record.group for record in a} & {record.group for record in b})
    if shared:
        names = ", ".join(shared[:5]) + (", ..." if len(shared) > 5 else "")
        msg = f"{len(shared)} group(s) have frames on both sides of a split: {names}. Split by group, not by frame."
        raise DatasetError(msg)


def group_folds(records: Sequence[FrameRecord], num_folds: int = 5, *, seed: int) -> list[Fold]:
    """Split into folds of whole groups, balancing the number of frames of every plane.

    Groups are assigned from large to small, each to the fold with the fewest frames of its planes. Groups of equal
    size are ordered randomly. The result does not depend on ratings or on the order of the records.

    Args:
        records: Frames of the data set.
        num_folds: Number of folds, at least 2.
        seed: Seed of the random order.

    Raises:
        ValueError: If ``num_folds`` is below 2.
        DatasetError: If a plane has fewer groups than folds.
    """
    if num_folds < 2:
        msg = f"'num_folds' must be at least 2, got {num_folds}."
        raise ValueError(msg)
    remedy = f"Use fewer folds than {num_folds}, or add groups." if num_folds > 2 else ADD_GROUPS
    groups, counts = _count_frames(records, required=num_folds, remedy=remedy, seed=seed)
    share = counts / counts.sum(axis=0)  # of each plane's frames, shape (groups, P)
    loads = np.zeros((num_folds, share.shape[1]))
    fold_of: dict[str, int] = {}
    for index in np.argsort(-counts.sum(axis=1), kind="stable"):
        # Adding g to a load l increases the sum of squares by 2 l·g + const. Ties go to the emptiest fold.
        growth = np.round(loads @ share[index], 12)
        fold = int(np.lexsort((np.round(loads.sum(axis=1), 12), growth))[0])
        loads[fold] += share[index]
        fold_of[groups[index]] = fold
    ordered = _in_order(records)
    folds: list[Fold] = []
    for fold in range(num_folds):
        train = tuple(record for record in ordered if fold_of[record.group] != fold)
        test = tuple(record for record in ordered if fold_of[record.group] == fold)
        folds.append(Fold(train, test))
    return folds


def hold_out(
    records: Sequence[FrameRecord], fraction: float, *, seed: int
) -> tuple[list[FrameRecord], list[FrameRecord]]:
    """Hold out whole groups with about ``fraction`` of the frames of every plane.

    Groups are visited in random order and held out if that brings the planes closer to their fraction. Every plane
    has at least one group on each side. The result does not depend on ratings or on the order of the records.

    Args:
        records: Frames of the data set.
        fraction: Share of the frames to hold out, between 0 and 1.
        seed: Seed of the random order.

    Returns:
        The remaining frames and the held-out frames, both sorted by path.

    Raises:
        ValueError: If ``fraction`` is not between 0 and 1.
        DatasetError: If a plane has fewer than two groups, or cannot be on both sides.
    """
    if not 0.0 < fraction < 1.0:
        msg = f"'fraction' must lie strictly between 0 and 1, got {fraction}."
        raise ValueError(msg)
    groups, counts = _count_frames(records, required=2, remedy=ADD_GROUPS, seed=seed)
    is_held_out = _choose_groups(counts, fraction)
    held_out_groups = {group for group, chosen in zip(groups, is_held_out, strict=True) if chosen}
    ordered = _in_order(records)
    remaining = [record for record in ordered if record.group not in held_out_groups]
    held_out = [record for record in ordered if record.group in held_out_groups]
    check_disjoint_groups(remaining, held_out)
    return remaining, held_out


def _choose_groups(counts: NDArray[np.int64], fraction: float) -> NDArray[np.bool_]:
    """Return which groups to hold out, given each group's number of frames per plane, shape (groups, P)."""
    share = counts / counts.sum(axis=0)
    held_out = np.zeros(len(counts), dtype=bool)

    def leaves_every_plane(index: int) -> bool:
        remaining = ~held_out
        remaining[index] = False
        return bool(share[remaining].any(axis=0).all()) if remaining.any() else False

    for index, group in enumerate(share):
        missing = fraction - share[held_out].sum(axis=0)
        is_closer = np.square(missing - group).sum() < np.square(missing).sum()
        if is_closer and leaves_every_plane(index):
            held_out[index] = True
    for plane in range(share.shape[1]):
        if share[held_out, plane].any():
            continue
        candidates = [index for index in range(len(share)) if share[index, plane] and leaves_every_plane(index)]
        if not candidates:
            msg = "The groups cannot be split so that every plane is on both sides. Leave a plane out, or add groups."
            raise DatasetError(msg)
        held_out[min(candidates, key=lambda index: counts[index].sum())] = True
    return held_out


def _count_frames(
    records: Sequence[FrameRecord], *, required: int, remedy: str, seed: int
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the groups in random order, and each group's number of frames per plane, shape (groups, P)."""
    if not records:
        msg = "The data set is empty and cannot be split. Expected at least one frame."
        raise DatasetError(msg)
    planes = sorted({record.plane for record in records})
    groups = sorted({record.group for record in records})
    generator = np.random.default_rng(seed)
    groups = [groups[index] for index in generator.permutation(len(groups))]
    row, column = {name: i for i, name in enumerate(groups)}, {name: i for i, name in enumerate(planes)}
    counts = np.zeros((len(groups), len(planes)), dtype=np.int64)
    for record in records:
        counts[row[record.group], column[record.plane]] += 1
    for plane, present in zip(planes, (counts > 0).sum(axis=0), strict=True):
        if present < required:
            msg = f"Plane {plane!r} has frames of {present} groups, but the split needs {required}. {remedy}"
            raise DatasetError(msg)
    return groups, counts


def _in_order(records: Sequence[FrameRecord]) -> list[FrameRecord]:
    return sorted(records, key=lambda record: (record.path, record.frame_index, record.plane))
