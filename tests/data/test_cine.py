"""Tests of ``striq.data.cine``."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.errors import ReadError
from striq.types import Frame

RAMP = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)


class Recorder:
    """Returns a ramp for every frame and records which frames were read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, index: int) -> NDArray[np.float32]:
        self.read.append(index)
        return RAMP / (index + 1)


def test_no_frame_is_read_before_it_is_asked_for() -> None:
    recorder = Recorder()
    cine = Cine("loop", 5, recorder)
    assert len(cine) == 5
    assert recorder.read == []
    _ = cine[3]
    assert recorder.read == [3]


def test_iteration_gives_every_frame_in_order() -> None:
    frames = list(Cine("loop", 3, Recorder(), times_s=[0.0, 0.5, 1.5]))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_s for frame in frames] == [0.0, 0.5, 1.5]
    assert [float(frame.pixels.max()) for frame in frames] == pytest.approx([1, 1 / 2, 1 / 3])


def test_negative_index_counts_from_the_end() -> None:
    assert Cine("loop", 4, Recorder())[-1].index == 3


def test_slice_gives_a_list_of_frames() -> None:
    assert [frame.index for frame in Cine("loop", 6, Recorder())[1::2]] == [1, 3, 5]


@pytest.mark.parametrize("index", [3, -4])
def test_index_outside_the_cine_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError, match="loop has 3 frames"):
        Cine("loop", 3, Recorder())[index]


def test_crop_is_cut_out_as_rows_then_columns() -> None:
    frame = Cine("loop", 1, Recorder(), crop=(1, 2, 3, 4))[0]
    np.testing.assert_array_equal(frame.pixels, RAMP[1:3, 2:4])
    assert frame.crop == (1, 2, 3, 4)


def test_pixels_are_contiguous_float32() -> None:
    pixels = Cine("loop", 1, lambda _: RAMP.astype(np.float64)[::-1], crop=(0, 1, 3, 3))[0].pixels  # type: ignore[arg-type, return-value]
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable  # torch warns about arrays that are not writable


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_value_that_is_no_number_refuses_only_its_own_frame(bad: float) -> None:
    def read_pixels(index: int) -> NDArray[np.float32]:
        return np.where(RAMP[1, 1] == RAMP, np.float32(bad), RAMP) if index == 1 else RAMP

    cine = Cine("loop", 3, read_pixels)
    with pytest.raises(ReadError, match=r"loop, frame 1: .*1 of 12 pixels NaN or infinite"):
        _ = cine[1]
    assert cine[2].index == 2


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_frame_of_one_value_is_refused(value: float) -> None:
    with pytest.raises(ReadError, match=f"the value {value:.3g} in every pixel"):
        _ = Cine("loop", 1, lambda _: np.full((3, 4), value, np.float32))[0]


def test_picture_that_is_not_two_dimensional_is_refused() -> None:
    with pytest.raises(ReadError, match="not a two-dimensional image"):
        _ = Cine("loop", 1, lambda _: np.zeros((3, 4, 3), np.float32))[0]


def test_cine_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Cine("loop", 0, Recorder())


def test_times_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one time per frame \(3\), got 2"):
        Cine("loop", 3, Recorder(), times_s=[0.0, 1.0])


def test_times_are_counted_from_the_first_frame() -> None:
    assert Cine("loop", 3, Recorder(), times_s=[345.6, 345.7, 345.9]).times_s == pytest.approx((0.0, 0.1, 0.3))


@pytest.mark.parametrize("factor", [255.0, -1.0])
def test_frame_outside_zero_to_one_is_refused(factor: float) -> None:
    with pytest.raises(ReadError, match="loop, frame 0: The frame is not a gray image in"):
        _ = Cine("loop", 1, lambda _: RAMP * np.float32(factor))[0]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((3, 4), np.uint8), r"got uint8 \(3, 4\).*to_unit_gray"),
        (np.zeros((3, 4)), r"got float64 \(3, 4\)"),
        (np.zeros((3, 4, 3), np.float32), r"got float32 \(3, 4, 3\)"),
        (np.zeros((0, 4), np.float32), r"got float32 \(0, 4\)"),
        ([[0.0, 1.0]], "got list"),
        (RAMP * np.float32(255), r"got values from 0 to 255\. Divide"),
        (RAMP - np.float32(0.1), r"got values from -0\.1 to 0\.9"),
        (np.where(RAMP > 0.5, np.float32("nan"), RAMP), "got values from nan to nan"),
        (np.where(RAMP > 0.5, np.float32("inf"), RAMP), "got values from 0 to inf"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_frame_checks_its_pixels(pixels: NDArray[np.float32], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Frame(pixels)


def test_black_frame_is_a_frame() -> None:
    assert Frame(np.zeros((3, 4), np.float32)).pixels.shape == (3, 4)  # an occluded picture, for example
