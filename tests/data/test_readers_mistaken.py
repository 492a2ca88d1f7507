"""Tests of files that would be read without an error, but as something else than they are."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, JPEGBaseline8Bit, MultiFrameTrueColorSecondaryCaptureImageStorage

from striq.data.inputs import as_cine
from striq.data.phantom import make_phantom_cine
from striq.data.readers import open_cine
from striq.data.readers.intensity import to_unit_gray
from striq.errors import ReadError
from tests.dicom_writer import save, set_codestreams, ultrasound

Pixels = NDArray[np.uint8]
SIZE = (240, 320)


@pytest.fixture(scope="module")
def frame() -> Pixels:
    """A frame of the phantom, shape (240, 320)."""
    pixels = make_phantom_cine("a4c", 1, 5, size=SIZE)[0].pixels
    return np.round(pixels * 255).astype(np.uint8)


AXES = "does not say how its axes lie"


@pytest.mark.parametrize("affine", [None, np.eye(4)], ids=["no affine", "identity"])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_nifti_without_orientation_names_its_axes(
    affine: NDArray[np.float64] | None, suffix: str, frame: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nibabel.save(nibabel.Nifti1Image(frame, affine), tmp_path / f"frame.{suffix}")
    assert open_cine(tmp_path / f"frame.{suffix}")[0].pixels.shape == SIZE[::-1]
    assert f"{AXES}. Axis 0 (240 pixels) is read along the rows" in caplog.text
    assert caplog.text.count(AXES) == 1


def test_nrrd_without_orientation_names_its_axes(
    frame: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nrrd.write(str(tmp_path / "frame.nrrd"), frame)
    _ = open_cine(tmp_path / "frame.nrrd")[0]
    assert f"{AXES}. Axis 0 (240 pixels) is read along the rows" in caplog.text


def test_file_with_orientation_is_read_without_a_word(
    frame: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nibabel.save(nibabel.Nifti1Image(frame.T, np.diag([-0.3, -0.3, 1, 1])), tmp_path / "frame.nii")
    header = {"space": "left-posterior-superior", "space directions": np.diag([0.3, 0.3])}
    nrrd.write(str(tmp_path / "frame.nrrd"), frame.T, {**header, "space": None, "space dimension": 2})
    for name in ("frame.nii", "frame.nrrd"):
        np.testing.assert_allclose(open_cine(tmp_path / name)[0].pixels, frame / 255, atol=1e-6)
    assert not caplog.records


def dicom(frame: Pixels, **elements: object) -> Dataset:
    dataset = ultrasound(frame)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    if "SOPClassUID" in elements:
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return dataset


@pytest.mark.parametrize(
    ("elements", "found"),
    [
        ({"Modality": "CT", "SOPClassUID": CTImageStorage}, "modality CT"),
        ({"Modality": "MR"}, "modality MR"),
        ({"Modality": "XA"}, "modality XA"),
        ({"Modality": "", "SOPClassUID": CTImageStorage}, "CT Image Storage"),
    ],
)
def test_image_of_another_modality_is_named_once(
    elements: dict[str, object], found: str, frame: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cine = open_cine(save(dicom(np.stack([frame, frame]), **elements), tmp_path / "other.dcm"))
    assert len(cine[:]) == 2
    assert [record.getMessage() for record in caplog.records if "expected ultrasound" in record.getMessage()] == [
        f"{tmp_path / 'other.dcm'}: expected ultrasound (modality US or IVUS), got {found}. "
        "A score of another kind of picture means nothing."
    ]


@pytest.mark.parametrize(
    "elements",
    [
        {"Modality": "US"},
        {"Modality": "IVUS"},
        {"Modality": "OT", "SOPClassUID": MultiFrameTrueColorSecondaryCaptureImageStorage},
        {"Modality": "SC", "SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.7")},
        {"Modality": "US", "SOPClassUID": CTImageStorage},
        {"Modality": "", "SOPClassUID": UID("1.2.840.113619.4.26")},
    ],
    ids=str,
)
def test_ultrasound_and_captures_of_it_are_read_without_a_word(
    elements: dict[str, object], frame: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _ = open_cine(save(dicom(frame, **elements), tmp_path / "frame.dcm"))[0]
    assert not caplog.records


def region(left: int, top: int, right: int, bottom: int) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    return item


@pytest.fixture(scope="module")
def screen(frame: Pixels) -> Pixels:
    """The frame in a black screen, with its left upper corner at row 100, column 150; shape (400, 600)."""
    return np.pad(frame, ((100, 60), (150, 130)))


@pytest.mark.parametrize("enlargement", [1.5, 2, 3])
def test_region_of_a_smaller_image_does_not_cut_the_fan(
    enlargement: float, screen: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = [round(place / enlargement) for place in (150, 100, 469, 339)]
    cine = open_cine(save(dicom(screen, SequenceOfUltrasoundRegions=[region(*given)]), tmp_path / "frame.dcm"))
    assert cine[0].pixels.shape == screen.shape
    assert "cuts the fan as that of a smaller image would" in caplog.text


def test_region_that_holds_the_fan_is_used(screen: Pixels, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small = np.pad(screen, ((0, 400), (0, 600)))
    for number, given in enumerate([(150, 100, 469, 339), (120, 90, 500, 360)]):
        file = save(dicom(small, SequenceOfUltrasoundRegions=[region(*given)]), tmp_path / f"{number}.dcm")
        left, top, right, bottom = given
        assert open_cine(file)[0].crop == (top, left, bottom + 1, right + 1)
    assert not caplog.records


def ellipse(size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    y, x = np.mgrid[: size[0], : size[1]]
    return ((x - size[1] / 2) / (0.3 * size[1])) ** 2 + ((y - size[0] / 2) / (0.2 * size[0])) ** 2 < 1


def labels() -> Pixels:
    return (ellipse() + 2 * np.roll(ellipse(), 60, axis=1)).astype(np.uint8)


def smooth(mask: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))


MASKS: dict[str, Callable[[Path], None]] = {
    "a.png": lambda path: Image.fromarray((ellipse() * 255).astype(np.uint8)).save(path),
    "bits.png": lambda path: Image.fromarray(ellipse()).save(path),
    "gray.png": lambda path: Image.fromarray((ellipse() * 90 + 20).astype(np.uint8)).save(path),
    "smooth.png": lambda path: smooth(ellipse()).save(path),
    "a.jpg": lambda path: Image.fromarray((ellipse() * 255).astype(np.uint8)).save(path),
    "labels.nii": lambda path: nibabel.save(nibabel.Nifti1Image(labels(), None), path),
    "a.dcm": lambda path: save(ultrasound((ellipse() * 255).astype(np.uint8)), path) and None,
}


@pytest.mark.parametrize("name", MASKS)
def test_mask_is_refused_whatever_its_name(name: str, tmp_path: Path) -> None:
    MASKS[name](tmp_path / name)
    with pytest.raises(ReadError, match="a mask or a drawing, not an image"):
        _ = open_cine(tmp_path / name)[0]


def test_mask_in_an_array_is_refused() -> None:
    with pytest.raises(ReadError, match="a mask or a drawing, not an image"):
        _ = as_cine(ellipse())[0]


@pytest.mark.parametrize("gain", [0.05, 1.0, 6.0])
def test_dark_and_overexposed_frames_are_no_masks(gain: float, frame: Pixels, tmp_path: Path) -> None:
    Image.fromarray(np.minimum(frame * gain, 255).astype(np.uint8)).save(tmp_path / "frame.png")
    _ = open_cine(tmp_path / "frame.png")[0]


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_palette_of_any_depth_is_as_bright(bits: int, frame: Pixels, tmp_path: Path) -> None:
    dataset = dicom(frame, PhotometricInterpretation="PALETTE COLOR")
    entries = np.round(np.arange(256) / 255 * (2**bits - 1)).astype("<u2")
    for color in ("Red", "Green", "Blue"):
        setattr(dataset, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{color}PaletteColorLookupTableData", entries.tobytes())
    pixels = open_cine(save(dataset, tmp_path / "frame.dcm"))[0].pixels
    np.testing.assert_allclose(pixels, frame / 255, atol=1 / 1023)


COLOR = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize("kind", ["RGB24", "vector", "cine of vectors"])
def test_color_nifti_is_read(kind: str, frame: Pixels, tmp_path: Path) -> None:
    colors = np.repeat(frame.T[..., None], 3, axis=-1)
    if kind == "RGB24":
        array = np.ascontiguousarray(colors).view(COLOR)[..., 0]
    else:
        array = np.stack([colors[:, :, None]] * (2 if kind == "cine of vectors" else 1), axis=3)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1, -1, 1, 1])), tmp_path / "frame.nii")
    cine = open_cine(tmp_path / "frame.nii")
    assert len(cine) == (2 if kind == "cine of vectors" else 1)
    np.testing.assert_allclose(cine[0].pixels, frame / 255, atol=1e-6)


def test_colors_along_a_spatial_axis_are_named(frame: Pixels, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.repeat(frame.T[..., None], 3, axis=-1), np.eye(4)), tmp_path / "frame.nii")
    with pytest.raises(ReadError, match="If axis 2 holds colors, save them as gray"):
        open_cine(tmp_path / "frame.nii")


def wrong_metaimage(path: Path, frame: Pixels, *, compressed: bool) -> None:
    text = (
        "ObjectType = Image\nNDims = 2\nDimSize = 319 240\nElementType = MET_UCHAR\n"
        f"CompressedData = {compressed}\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(text.encode() + (zlib.compress(frame.tobytes()) if compressed else frame.tobytes()))


def wrong_nrrd(path: Path, frame: Pixels, *, compressed: bool) -> None:
    encoding = "gzip" if compressed else "raw"
    text = f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 160 240\nencoding: {encoding}\n\n"
    path.write_bytes(text.encode() + (gzip.compress(frame.tobytes()) if compressed else frame.tobytes()))


def wrong_nifti(path: Path, frame: Pixels, *, compressed: bool) -> None:
    content = bytearray(nibabel.Nifti1Image(frame.T, np.diag([-1, -1, 1, 1])).to_bytes())
    content[42:44] = (310).to_bytes(2, "little")
    path.write_bytes(gzip.compress(content) if compressed else content)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("suffix", "write"), [("mha", wrong_metaimage), ("nrrd", wrong_nrrd), ("nii", wrong_nifti)])
def test_sizes_that_would_shear_the_image_are_refused(
    suffix: str, write: Callable[..., None], compressed: bool, frame: Pixels, tmp_path: Path
) -> None:
    path = tmp_path / f"frame.{suffix}{'.gz' if compressed and suffix == 'nii' else ''}"
    write(path, frame, compressed=compressed)
    with pytest.raises(ReadError, match="The sizes in the header do not fit the pixel data"):
        _ = open_cine(path)[0]


TINTS = {"sepia": (1.0, 0.8, 0.5), "blue": (0.4, 0.6, 1.0), "green": (0.1, 1.0, 0.2)}


def tinted(frame: Pixels, tint: str) -> Pixels:
    return np.round(frame[..., None] * np.array(TINTS[tint])).astype(np.uint8)


def write_tinted_palette(path: Path, frame: Pixels, tint: str) -> Path:
    dataset = dicom(frame, PhotometricInterpretation="PALETTE COLOR")
    for color, share in zip(("Red", "Green", "Blue"), TINTS[tint], strict=True):
        setattr(dataset, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
        entries = np.round(np.arange(256) * share).astype("<u2") * 256
        setattr(dataset, f"{color}PaletteColorLookupTableData", entries.tobytes())
    return save(dataset, path)


def write_tinted_jpeg(path: Path, frame: Pixels, tint: str) -> Path:
    stream = BytesIO()
    Image.fromarray(tinted(frame, tint)).save(stream, "JPEG", quality=95)
    dataset = ultrasound(tinted(frame, tint), "YBR_FULL_422")
    return save(set_codestreams(dataset, [stream.getvalue()], JPEGBaseline8Bit), path)


def write_tinted_ybr(path: Path, frame: Pixels, tint: str) -> Path:
    colors = np.asarray(Image.fromarray(tinted(frame, tint)).convert("YCbCr"))
    return save(ultrasound(colors, "YBR_FULL"), path)


TINTED: dict[str, Callable[[Path, Pixels, str], object]] = {
    "frame.png": lambda path, frame, tint: Image.fromarray(tinted(frame, tint)).save(path),
    "frame.jpg": lambda path, frame, tint: Image.fromarray(tinted(frame, tint)).save(path, quality=95),
    "frame.dcm": lambda path, frame, tint: save(ultrasound(tinted(frame, tint)), path),
    "palette.dcm": write_tinted_palette,
    "jpeg.dcm": write_tinted_jpeg,
    "ybr.dcm": write_tinted_ybr,
}


@pytest.mark.parametrize("name", TINTED)
@pytest.mark.parametrize("tint", TINTS)
def test_tinted_gray_scale_is_read_as_gray(name: str, tint: str, frame: Pixels, tmp_path: Path) -> None:
    TINTED[name](tmp_path / name, frame, tint)
    difference = np.abs(open_cine(tmp_path / name)[0].pixels - frame / 255)
    assert difference.mean() < 0.01
    assert difference.max() < (0.2 if name in ("frame.jpg", "jpeg.dcm") else 0.02)
    np.testing.assert_allclose(as_cine(tinted(frame, tint))[0].pixels, frame / 255, atol=0.02)


def test_tint_is_found_beside_white_text(frame: Pixels, tmp_path: Path) -> None:
    screen = tinted(frame, "sepia")
    screen[5:9, 10:60] = 255
    Image.fromarray(screen).save(tmp_path / "frame.png")
    inside = open_cine(tmp_path / "frame.png")[0].pixels[20:]
    np.testing.assert_allclose(inside, frame[20:] / 255, atol=0.02)


def test_color_drawn_on_gray_is_no_tint(frame: Pixels, tmp_path: Path) -> None:
    colors = np.repeat(frame[..., None], 3, axis=-1)
    colors[100:180, 120:200] = (255, 60, 0)  # color Doppler
    Image.fromarray(colors).save(tmp_path / "frame.png")
    np.testing.assert_array_equal(open_cine(tmp_path / "frame.png")[0].pixels, to_unit_gray(colors))
