"""Tests of images with metadata: where a frame comes from, and which place of it a pixel shows."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data.dataloader import DataLoader
from monai.data.dataset import Dataset
from monai.data.meta_tensor import MetaTensor

from striq.data.frame_images import frame_image, prepare_image
from striq.data.phantom.sample import write_sample
from striq.data.preprocessing import crop_and_prepare
from striq.data.transforms import LoadFrame, LoadPreparedFrame, PrepareFramed, RandomView, each_frame
from striq.errors import ReadError
from striq.types import Frame


@pytest.fixture(scope="module")
def cine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    return write_sample(folder / "cine.dcm", plane="kidney", num_frames=2, size=(96, 128))


def drawn_frame() -> Frame:
    """A fan of 80 x 96 pixels at (10, 20), with a value for each place."""
    rows, columns = np.mgrid[0:120, 0:140].astype(np.float32)
    pixels = np.zeros((120, 140), np.float32)
    pixels[10:90, 20:116] = (0.1 + 0.003 * rows + 0.004 * columns)[10:90, 20:116]
    return Frame(pixels, source="drawn", index=3, spacing_mm=(0.5, 0.25))


def test_metadata_and_values_are_those_of_the_frame() -> None:
    frame = drawn_frame()
    image = frame_image(frame)
    assert np.array_equal(image.as_tensor()[0].numpy(), frame.pixels)
    assert image.meta["filename_or_obj"] == "drawn"
    assert (image.meta["frame"], image.meta["spacing_mm"]) == (3, (0.5, 0.25))
    assert image.affine.diagonal().tolist() == [0.5, 0.25, 1.0, 1.0]


def test_prepared_image_is_that_of_the_scorer_and_warns_of_nothing() -> None:
    frame = drawn_frame()
    expected, box = crop_and_prepare(frame, (64, 64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = prepare_image(frame_image(frame), (64, 64))
    assert torch.equal(image.as_tensor(), expected)
    assert image.meta["crop"] == box


def test_affine_leads_to_the_same_place_of_the_frame() -> None:
    frame = drawn_frame()
    image = prepare_image(frame_image(frame), (64, 64))
    row, column = 30, 17
    millimeters = image.affine @ torch.tensor([row, column, 0.0, 1.0], dtype=torch.float64)
    y, x = float(millimeters[0] / 0.5), float(millimeters[1] / 0.25)
    assert float(image[0, row, column]) == pytest.approx(0.1 + 0.003 * y + 0.004 * x, abs=2e-4)


def test_view_keeps_the_metadata() -> None:
    image = prepare_image(frame_image(drawn_frame()), (64, 64))
    view = RandomView().set_random_state(0)({"image": image})["image"]
    plain = RandomView().set_random_state(0)({"image": image.as_tensor()})["image"]
    assert isinstance(view, MetaTensor)
    assert view.meta["filename_or_obj"] == "drawn"
    assert torch.equal(view.as_tensor(), plain)
    assert type(plain) is torch.Tensor


def test_two_steps_and_one_step_prepare_the_same(cine: Path) -> None:
    item = {"image": str(cine), "frame": 1}
    two = PrepareFramed("image", (64, 64))(LoadFrame()(item))
    one = LoadPreparedFrame((64, 64))(item)
    assert torch.equal(two["image"].as_tensor(), one["image"].as_tensor())
    assert two["image"].meta["crop"] == one["image"].meta["crop"]
    assert (one["error"], one["source"]) == ("", str(cine))


def test_images_with_metadata_form_batches(cine: Path) -> None:
    items = each_frame([{"image": str(cine)}, {"image": str(cine.parent / "missing.png")}])
    assert [item["frame"] for item in items] == [0, 1, -1]
    batch = next(iter(DataLoader(Dataset(items, LoadPreparedFrame((64, 64))), batch_size=3)))
    assert batch["image"].shape == (3, 1, 64, 64)
    assert [bool(error) for error in batch["error"]] == [False, False, True]


def test_path_of_several_frames_is_refused_and_one_of_a_single_frame_is_enough(cine: Path) -> None:
    with pytest.raises(ReadError, match="The frame is not named"):
        LoadFrame()({"image": str(cine)})
    single = write_sample(cine.parent / "single.dcm", plane="kidney", num_frames=1, size=(96, 96))
    assert LoadFrame()({"image": str(single)})["frame"] == 0
    assert LoadPreparedFrame()({"image": str(single)})["frame"] == 0


def test_frame_that_is_not_there_is_an_error_of_its_item(cine: Path) -> None:
    item = LoadPreparedFrame((64, 64))({"image": str(cine), "frame": 7})
    assert "out of range" in item["error"]
    assert float(item["image"].std()) == 0.0


def test_image_of_three_channels_is_refused() -> None:
    with pytest.raises(ReadError, match="one channel"):
        prepare_image(torch.rand(3, 96, 96), (64, 64))
