"""Tests of what is said of training frames before the training."""

from __future__ import annotations

from pathlib import Path

import torch

from striq.config import QualityConfig
from striq.training.frame_check import PlaneFrames, check_frames, look_alikes
from striq.training.training_frames import TrainingFrames
from striq.types import FrameRecord


def random_frames(count: int, seed: int = 0) -> torch.Tensor:
    return 0.1 + 0.9 * torch.rand(count, 1, 96, 96, generator=torch.Generator().manual_seed(seed))


def check(images: torch.Tensor, groups: list[str], held_out: int = 0) -> PlaneFrames:
    records = [FrameRecord(Path(f"{i}.png"), "kidney", group) for i, group in enumerate(groups)]
    flags = torch.arange(len(groups)) < held_out
    return check_frames(TrainingFrames(images, records, flags), QualityConfig())[0]


def lines(found: PlaneFrames) -> str:
    records = [FrameRecord(Path(f"{i}.png"), "kidney", "any") for i in range(found.frames)]
    return " ".join(line for _, line in found.lines(records))


def test_copies_in_different_groups_are_found_and_those_of_one_group_are_not() -> None:
    images = random_frames(5)
    images[3] = images[1] * 0.8 + 0.05  # another gain: still the same picture
    images[4] = images[0]
    assert look_alikes(images, ["a", "b", "c", "d", "a"]) == [(1, 3)]


def test_frames_of_different_anatomy_are_not_alike() -> None:
    assert look_alikes(random_frames(12), [f"{i}" for i in range(12)]) == []


def test_rows_of_look_alikes_are_those_of_all_frames() -> None:
    images = random_frames(6)
    images[5] = images[2]
    planes = ["a4c", "a4c", "kidney", "kidney", "a4c", "kidney"]
    records = [FrameRecord(Path(f"{i}.png"), plane, f"g{i}") for i, plane in enumerate(planes)]
    found = check_frames(TrainingFrames.all_training(images, records), QualityConfig())
    assert [(plane.plane, plane.look_alikes) for plane in found] == [("a4c", ()), ("kidney", ((2, 5),))]


def test_anchors_are_counted_without_the_frames_that_are_held_out() -> None:
    groups = [f"g{i // 4}" for i in range(84)]
    enough, fewer = check(random_frames(84), groups, held_out=4), check(random_frames(84), groups, held_out=8)
    assert (enough.anchors, enough.wanted_anchors) == (20, 20)
    assert fewer.anchors == 19
    assert "too few frames for 20 anchors, there will be 19" in lines(fewer)
    assert "too few" not in lines(enough)


def test_frames_that_are_all_groups_of_their_own_are_pointed_out() -> None:
    alone, grouped = check(random_frames(6), list("abcdef")), check(random_frames(6), list("aabbcc"))
    assert "every frame is a group of its own" in lines(alone)
    assert "every frame" not in lines(grouped)
    assert (grouped.frames, grouped.groups) == (6, 3)


def test_look_alikes_are_named() -> None:
    images = random_frames(4)
    images[2] = images[1]
    assert "such as 1.png and 2.png" in lines(check(images, list("abcc")))
