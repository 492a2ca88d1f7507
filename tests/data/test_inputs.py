"""Tests of ``striq.data.inputs``: every kind of input has the gray values of the file it could come from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from monai.transforms.io.array import LoadImage
from monai.transforms.spatial.array import Flip, Rotate90, Zoom
from monai.transforms.utility.array import EnsureChannelFirst
from numpy.typing import NDArray
from PIL import Image

from striq.data.inputs import Reading, as_cine, open_each
from striq.data.readers import open_cine
from striq.errors import ReadError

pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodec")  # of MONAI, when its readers are looked for
HEIGHT, WIDTH, FRAMES = 70, 90, 5
GRAY = np.random.default_rng(0).integers(0, 256, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
UNIT = GRAY.astype(np.float32) / np.float32(255)
COLOR = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def pixels(image: Any, **given: Any) -> NDArray[np.float32]:
    return np.stack([frame.pixels for frame in as_cine(image, **given)])


def from_file(path: Path) -> NDArray[np.float32]:
    return np.stack([frame.pixels for frame in open_cine(path)])


def test_array_of_booleans_is_refused_as_a_mask() -> None:
    with pytest.raises(ReadError, match="mask"):
        pixels(GRAY > 127)


@pytest.mark.parametrize(
    ("image", "axes", "expected"),
    [
        pytest.param(GRAY[0], None, UNIT[:1], id="HW"),
        pytest.param(GRAY, None, UNIT, id="THW"),
        pytest.param(GRAY[:1], None, UNIT[:1], id="one frame or one color"),
        pytest.param(GRAY[..., None], None, UNIT, id="THWC of gray"),
        pytest.param(GRAY[:, None], None, UNIT, id="TCHW"),
        pytest.param(np.stack([GRAY] * 3, -1), None, UNIT, id="THWC of equal colors"),
        pytest.param(GRAY.transpose(1, 2, 0), "HWT", UNIT, id="named HWT"),
        pytest.param(GRAY[:3], "THW", UNIT[:3], id="named THW of three frames"),
        pytest.param(GRAY[0].T, "wh", UNIT[:1], id="named WH in small letters"),
        pytest.param(torch.from_numpy(GRAY), None, UNIT, id="tensor"),
        pytest.param(torch.from_numpy(UNIT).requires_grad_(), None, UNIT, id="tensor with gradient"),
        pytest.param(torch.from_numpy(UNIT[:, None]).to(torch.float64), None, UNIT, id="tensor TCHW, float64"),
        pytest.param(GRAY.astype(np.int64), None, UNIT, id="whole numbers of another type"),
        pytest.param(GRAY.astype(np.float32), None, UNIT, id="whole numbers in floats"),
        pytest.param(GRAY.astype(np.uint16), None, UNIT, id="8 bits in 16"),
    ],
)
def test_array_has_the_gray_values_of_its_frames(image: Any, axes: str | None, expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(pixels(image, axes=axes), expected, atol=1e-6)


def test_half_precision_is_gray_to_its_own_precision() -> None:
    np.testing.assert_allclose(pixels(torch.from_numpy(UNIT).bfloat16()), UNIT, atol=0.005)
    np.testing.assert_allclose(pixels(UNIT.astype(np.float16)), UNIT, atol=0.001)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16"])
def test_picture_and_array_of_a_file_have_the_gray_values_of_the_file(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    path = tmp_path / f"a.{suffix}"
    picture = (
        Image.fromarray(GRAY[0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(COLOR).convert(mode)
    )
    if mode == "1":  # of the size of a frame, it would be refused as a mask
        picture = picture.crop((0, 0, 50, 40))
    picture.save(path)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(pixels(opened), from_file(path))
        assert as_cine(opened).source == str(path)
        if mode in ("L", "RGB", "RGBA"):
            np.testing.assert_array_equal(pixels(np.asarray(opened)), from_file(path))


def test_pages_of_a_picture_are_frames(tmp_path: Path) -> None:
    path = tmp_path / "cine.tif"
    first, *others = (Image.fromarray(frame) for frame in GRAY)
    first.save(path, save_all=True, append_images=others)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(pixels(opened), from_file(path))
        assert opened.tell() == 0


def test_picture_whose_smallest_value_is_white_is_inverted_as_its_file_is(tmp_path: Path) -> None:
    path = tmp_path / "inverted.tif"
    Image.fromarray(GRAY[0].astype(np.uint16)).save(path, tiffinfo={262: 0})
    with Image.open(path) as opened:
        np.testing.assert_array_equal(pixels(opened), from_file(path))
    assert from_file(path).mean() == pytest.approx(1 - UNIT[0].mean(), abs=1e-4)


@pytest.mark.parametrize(("suffix", "image"), [("png", GRAY[0]), ("png", COLOR)], ids=["gray", "color"])
@pytest.mark.parametrize("channel_first", [False, True])
def test_tensor_of_monais_reader_has_the_gray_values_of_the_file(
    tmp_path: Path, suffix: str, image: NDArray[np.uint8], channel_first: bool
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(image).save(path)
    steps = [LoadImage(image_only=True), *([EnsureChannelFirst()] if channel_first else [])]
    read = Compose(steps)(str(path))
    assert isinstance(read, MetaTensor)
    np.testing.assert_allclose(pixels(read), from_file(path), atol=1e-6)
    assert as_cine(read).source == str(path)


@pytest.mark.parametrize("turn", [Rotate90(), Flip(0), Rotate90(2)], ids=["quarter", "mirror", "half"])
def test_tensor_that_was_turned_after_reading_is_refused(tmp_path: Path, turn: Any) -> None:
    Image.fromarray(GRAY[0]).save(tmp_path / "a.png")
    read = Compose([LoadImage(image_only=True), EnsureChannelFirst(), turn])(str(tmp_path / "a.png"))
    with pytest.raises(ReadError, match="turned or mirrored"):
        as_cine(read)
    assert len(as_cine(read, axes="CHW")) == 1


def test_tensor_that_was_resized_after_reading_is_taken(tmp_path: Path) -> None:
    Image.fromarray(GRAY[0]).save(tmp_path / "a.png")
    steps = [LoadImage(image_only=True), EnsureChannelFirst(), Zoom(2.0, keep_size=False, mode="nearest")]
    assert pixels(Compose(steps)(str(tmp_path / "a.png"))).shape == (1, 2 * HEIGHT, 2 * WIDTH)


def test_meta_tensor_that_no_reader_made_is_read_as_an_array() -> None:
    np.testing.assert_allclose(pixels(MetaTensor(torch.from_numpy(UNIT[:1]))), UNIT[:1], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((3, HEIGHT, WIDTH), "3 frames or 3 colors"),
        ((4, HEIGHT, WIDTH), "4 frames or 4 colors"),
        ((3, FRAMES, HEIGHT, WIDTH), "none of these"),
        ((FRAMES, 2, HEIGHT, WIDTH), "none of these"),
        ((2, 2, FRAMES, HEIGHT, WIDTH), "none of these"),
        ((HEIGHT,), "none of these"),
        ((HEIGHT, WIDTH, FRAMES), "too small"),
        ((HEIGHT, WIDTH, 2), "too small"),
        ((40, 50), "too small"),
    ],
    ids=str,
)
def test_axes_that_cannot_be_told_are_refused(shape: tuple[int, ...], why: str) -> None:
    with pytest.raises(ReadError, match=why) as caught:
        as_cine(np.zeros(shape, np.uint8))
    assert "axes='THW'" in str(caught.value)


def test_long_cine_with_frames_on_the_last_axis_is_refused_and_with_frames_first_is_not() -> None:
    cine = np.random.default_rng(2).integers(0, 256, (80, HEIGHT, WIDTH), dtype=np.uint8)
    cine[:, :30, :40] = 0  # outside the fan
    assert len(as_cine(cine)) == 80
    with pytest.raises(ReadError, match="last axis seems to count frames"):
        as_cine(np.ascontiguousarray(cine.transpose(1, 2, 0)))


@pytest.mark.parametrize("axes", ["TH", "THX", "THH", "THWC", ""])
def test_axes_that_do_not_fit_are_refused(axes: str) -> None:
    with pytest.raises(ReadError, match="not the axes of the array"):
        as_cine(GRAY, axes=axes)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(UNIT * 2 - 1, id="-1 to 1"),
        pytest.param((UNIT - UNIT.mean()) / UNIT.std(), id="standardized"),
        pytest.param(UNIT * 1.2, id="above 1"),
        pytest.param(UNIT * 90, id="fractions up to 90"),
        pytest.param(UNIT * 1000, id="fractions up to 1000"),
        pytest.param(GRAY.astype(np.int16) - 100, id="negative whole numbers"),
        pytest.param(UNIT / 255, id="divided twice"),
        pytest.param(UNIT.astype(complex), id="complex"),
        pytest.param(GRAY.astype(str), id="text"),
    ],
)
def test_values_whose_range_cannot_be_told_are_refused(values: NDArray[Any]) -> None:
    with pytest.raises(ReadError, match="which values are black and white"):
        as_cine(values)


def test_gray_less_half_of_its_range_is_gray() -> None:
    shifted = GRAY.astype(np.int16) - 128
    assert shifted.min() == -128
    np.testing.assert_array_equal(pixels(shifted), pixels(GRAY))


def test_stated_range_makes_any_values_gray() -> None:
    np.testing.assert_allclose(pixels(UNIT * 2 - 1, value_range=(-1, 1)), UNIT, atol=1e-6)
    np.testing.assert_allclose(pixels(UNIT * 1.2, value_range=(0, 1)), np.minimum(UNIT * 1.2, 1), atol=1e-6)


@pytest.mark.parametrize("stated", [(1, 0), (0, 0), (0, float("nan"))])
def test_range_that_is_none_is_refused(stated: tuple[float, float]) -> None:
    with pytest.raises(ReadError, match="black below white"):
        as_cine(UNIT, value_range=stated)


def test_range_found_in_wide_values_is_one_for_all_frames_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    twelve = GRAY.astype(np.uint16) * 16
    twelve[0] //= 16  # the dark frame stays dark
    with caplog.at_level(logging.WARNING, "striq"):
        found = pixels(twelve)
    assert found[0].max() < 0.07
    assert "is white" in caplog.text


def test_frame_with_values_that_are_no_numbers_is_its_own_error() -> None:
    damaged = UNIT.copy()
    damaged[1, 0, 0] = np.nan
    cine = as_cine(damaged)
    assert cine[0].pixels.shape == (HEIGHT, WIDTH)
    with pytest.raises(ReadError, match="not finite"):
        _ = cine[1]


def test_several_inputs_are_opened_one_by_one(tmp_path: Path) -> None:
    Image.fromarray(GRAY[0]).save(tmp_path / "a.png")
    missing = tmp_path / "missing.png"
    given = [tmp_path / "a.png", str(missing), GRAY, Image.fromarray(COLOR), as_cine(GRAY[0], source="mine"), UNIT - 1]
    opened = list(open_each(given, Reading()))
    names = [one.where if isinstance(one, ReadError) else one.source for one in opened]
    assert names == [str(tmp_path / "a.png"), str(missing), "image 2", "image 3", "mine", "image 5"]
    assert [isinstance(one, ReadError) for one in opened] == [False, True, False, False, False, True]


def test_folder_is_searched(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        Image.fromarray(GRAY[0]).save(tmp_path / name)
    opened = list(open_each(tmp_path, Reading()))
    assert [Path(one.source).name for one in opened if not isinstance(one, Exception)] == ["a.png", "b.png"]


@pytest.mark.parametrize("given", [3, None, [[1, 2]], [object()], {"image": 1}.values()])
def test_what_holds_no_frames_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="Frames cannot be taken from"):
        list(open_each(given, Reading()))
