"""Tests of ``striq.data.fan.geometry``: one fan for the frames of a cine that show the same geometry."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striq.data.cine import Cine
from striq.data.fan import fan_mask
from striq.data.fan.geometry import CineFan
from striq.data.phantom import make_phantom_cine
from striq.data.preprocessing import crop_and_prepare
from striq.data.readers import open_cine
from striq.errors import ReadError

Pixels = NDArray[np.float32]
SHARED = Path(__file__).parents[3] / "shared" / "data"
SIZE = (64, 64)


@pytest.fixture(scope="module")
def frames() -> list[Pixels]:
    return [frame.pixels for frame in make_phantom_cine("a4c", 6, 3)]


def cine_of(pictures: Sequence[Pixels], read: list[int] | None = None) -> Cine:
    def read_pixels(index: int) -> Pixels:
        if read is not None:
            read.append(index)
        return pictures[index]

    return Cine("drawn", len(pictures), read_pixels)


def zoomed(picture: Pixels, factor: float) -> Pixels:
    """The picture enlarged about the middle of its top, or reduced, on black."""
    height, width = picture.shape
    size = round(width * factor), round(height * factor)
    resized = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)
    canvas = np.zeros_like(picture)
    if factor < 1:
        left = (width - size[0]) // 2
        canvas[: size[1], left : left + size[0]] = resized
        return canvas
    left = (size[0] - width) // 2
    return np.ascontiguousarray(resized[:height, left : left + width])


def with_dark_side(picture: Pixels) -> Pixels:
    """The picture with a shadow along one side of the fan, at a few depths only."""
    shadowed = picture.copy()
    columns = np.flatnonzero((picture > 0).any(axis=0))
    shadowed[100:140, columns[0] : columns[0] + 12] = 0
    return shadowed


def test_fan_of_a_constant_geometry_is_that_of_the_first_frame_and_of_each_frame(frames: list[Pixels]) -> None:
    found = [frame.fan.mask(frame.pixels) for frame in cine_of(frames) if frame.fan is not None]
    assert len(found) == len(frames)
    for mask, pixels in zip(found, frames, strict=True):
        assert mask is found[0]
        assert np.mean(mask != fan_mask(pixels)) < 1e-4


def test_fan_is_searched_for_once(frames: list[Pixels], monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Pixels] = []

    def record(pixels: Pixels) -> NDArray[np.bool_]:
        searched.append(pixels)
        return fan_mask(pixels)

    monkeypatch.setattr("striq.data.fan.geometry.fan_mask", record)
    read: list[int] = []
    for frame in cine_of(frames, read):
        crop_and_prepare(frame, SIZE)
    assert len(searched) == 1
    assert read == list(range(len(frames)))  # the first frame was not read a second time


def test_a_dark_part_of_an_edge_does_not_change_the_fan(frames: list[Pixels]) -> None:
    shadowed = with_dark_side(frames[3])
    cine = cine_of([*frames[:3], shadowed])
    assert crop_and_prepare(cine[3], SIZE)[1] == crop_and_prepare(cine[0], SIZE)[1]


@pytest.mark.parametrize("factor", [0.7, 0.8, 0.9, 0.93, 1.07, 1.1, 1.25, 1.5])
def test_a_changed_depth_or_zoom_is_noticed(frames: list[Pixels], factor: float) -> None:
    changed = zoomed(frames[2], factor)
    cine = cine_of([*frames[:2], changed, frames[3]])
    fan = cine[2].fan
    assert fan is not None
    np.testing.assert_array_equal(fan.mask(changed), fan_mask(changed))
    assert fan.mask(frames[3]) is fan.mask(frames[0])  # the geometry of the first frame again


def test_another_size_picture_and_an_empty_frame_have_fans_of_their_own(frames: list[Pixels]) -> None:
    fan = CineFan(lambda: frames[0])
    for other in (frames[1][:, 20:], np.full_like(frames[1], 0.4), np.full_like(frames[1], 0.0)):
        np.testing.assert_array_equal(fan.mask(np.ascontiguousarray(other)), fan_mask(np.ascontiguousarray(other)))


def test_fan_of_a_frame_does_not_depend_on_the_frames_seen_before(frames: list[Pixels]) -> None:
    pictures = [frames[0], zoomed(frames[1], 0.8), frames[2], zoomed(frames[3], 0.82)]
    forward, backward = cine_of(pictures), cine_of(pictures)
    in_order = [crop_and_prepare(forward[i], SIZE) for i in range(4)]
    reverse = [crop_and_prepare(backward[i], SIZE) for i in (3, 2, 1, 0)][::-1]
    for (image, box), (other, other_box) in zip(in_order, reverse, strict=True):
        assert box == other_box
        assert bool((image == other).all())


def test_first_frame_that_cannot_be_read_leaves_the_others_their_own_fans(frames: list[Pixels]) -> None:
    def read_pixels(index: int) -> Pixels:
        if index == 0:
            raise ReadError("Broken", where="frame 0", expected="pixels", got="none", remedy="none")
        return frames[index]

    cine = Cine("damaged", 3, read_pixels)
    assert crop_and_prepare(cine[2], SIZE)[1] == crop_and_prepare(cine_of(frames[2:3])[0], SIZE)[1]


def test_still_image_is_judged_by_itself(frames: list[Pixels]) -> None:
    assert cine_of(frames[:1])[0].fan is None


def test_frame_can_be_copied_and_sent_to_another_process(frames: list[Pixels]) -> None:
    cine = cine_of(frames)
    for frame in (pickle.loads(pickle.dumps(cine[2])), copy.deepcopy(cine[2])):
        assert crop_and_prepare(frame, SIZE)[1] == crop_and_prepare(cine[0], SIZE)[1]


@pytest.mark.parametrize(
    ("name", "least"), [("apical_cine_65f_ybr422_jpeg", 0.9), ("apical_cine_30f_ybr422_jpeg", 0.75)]
)
def test_most_frames_of_a_real_cine_share_one_fan(name: str, least: float) -> None:
    path = SHARED / "dicom_us" / f"{name}.dcm"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    boxes = [crop_and_prepare(frame, SIZE)[1] for frame in open_cine(path)]
    assert boxes.count(boxes[0]) >= least * len(boxes)
