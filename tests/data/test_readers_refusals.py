"""Tests of unreadable files: each raises exactly one ReadError of one line and prints nothing."""

from __future__ import annotations

import importlib.util
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import compress, set_pixel_data
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from striq.data.readers import find_sources, open_cine
from striq.errors import ReadError


def refusal(path: Path, capfd: pytest.CaptureFixture[str], index: int = 0) -> str:
    """Read one frame and return the message of the ReadError, which must be complete, short and the only output."""
    with pytest.raises(ReadError) as caught:
        _ = open_cine(path)[index]
    error = caught.value
    assert str(path) in error.where
    assert all((error.what, error.expected, error.got, error.remedy))
    assert "\n" not in str(error)
    assert len(str(error)) < 600 + len(str(path))
    assert "".join(capfd.readouterr()) == ""
    return str(error)


def meta_text(**changes: str) -> str:
    fields = {
        "ObjectType": "Image",
        "NDims": "2",
        "BinaryData": "True",
        "DimSize": "6 4",
        "ElementType": "MET_UCHAR",
        **changes,
    }
    return "".join(f"{key} = {value}\n" for key, value in fields.items()) + "ElementDataFile = LOCAL\n"


def write_meta(path: Path, pixels: bytes = bytes(range(24)), **changes: str) -> Path:
    path.write_bytes(meta_text(**changes).encode() + pixels)
    return path


def write_dicom(path: Path, pixels: NDArray, syntax: str = ExplicitVRLittleEndian, **elements: object) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    set_pixel_data(dataset, pixels, "MONOCHROME2", 8)
    dataset.SOPInstanceUID = "1.2.3"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    if syntax != ExplicitVRLittleEndian:
        compress(dataset, syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    return path


def cut(path: Path, num_bytes: int) -> Path:
    path.write_bytes(path.read_bytes()[:-num_bytes])
    return path


def test_wrong_path_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "no.png"
    assert find_sources([missing]) == [missing]
    assert "There is no such file" in refusal(missing, capfd)


def test_empty_folder_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert find_sources([tmp_path]) == [tmp_path]
    assert "contains no readable file" in refusal(tmp_path, capfd)


def test_folder_of_pictures_is_no_cine(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.eye(5, dtype=np.uint8)).save(tmp_path / "a.png")
    assert "This is a folder" in refusal(tmp_path, capfd)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".nii", ".nii.gz", ".mha", ".nrrd", ".dcm", ".xyz", ""])
def test_file_of_zero_bytes_is_refused(suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"empty{suffix}"
    path.touch()
    assert "an empty file" in refusal(path, capfd)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".nii", ".nii.gz", ".mha", ".nrrd", ".dcm", ".xyz", ""])
def test_text_under_another_name_is_refused(suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"notes{suffix}"
    path.write_text("patient;grade\n1;Good\n" * 40)
    refusal(path, capfd)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_cut_off_picture_is_refused(suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"frame{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    assert "The image cannot be read" in refusal(cut(path, path.stat().st_size // 2), capfd)


def test_huge_picture_is_refused_before_it_is_decoded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.eye(40, dtype=np.uint8)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert "1600 pixels" in refusal(tmp_path / "huge.png", capfd)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DimSize": "6 5"}, "The pixel data is truncated"),
        ({"DimSize": "six four"}, "numbers in the field DimSize"),
        ({"DimSize": "0 0 1000"}, "The file has no image"),
        ({"DimSize": "6 2 2", "NDims": "3"}, "The file is a 3-D volume"),
        ({"ElementType": "MET_OTHER"}, "got ElementType MET_OTHER"),
        ({"CompressedData": "True"}, "damaged or truncated"),
    ],
    ids=str,
)
def test_metaimage_header_that_does_not_fit_is_refused(
    changes: dict[str, str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(write_meta(tmp_path / "frame.mha", **changes), capfd)


def test_cut_off_raw_pixels_are_refused_before_any_frame_is_read(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="The pixel data is truncated"):
        open_cine(write_meta(tmp_path / "frame.mha", DimSize="6 5"))


def test_compressed_pixels_that_are_too_few_are_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_meta(tmp_path / "frame.mha", zlib.compress(bytes(range(20))), CompressedData="True")
    assert "Expected at least 24 bytes, got 20" in refusal(path, capfd)


def test_metaimage_header_without_end_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "frame.mha").write_text("ObjectType = Image\nNDims = 2\n")
    assert "ends with ElementDataFile" in refusal(tmp_path / "frame.mha", capfd)


def test_header_without_its_raw_file_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "frame.mhd").write_text(meta_text().replace("LOCAL", "frame.raw"))
    assert "Expected frame.raw beside the header" in refusal(tmp_path / "frame.mhd", capfd)


def test_raw_file_without_its_header_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "frame.raw").write_bytes(bytes(range(24)))
    assert "Name the header (.mhd)" in refusal(tmp_path / "frame.raw", capfd)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("type: uint8\ndimension: 2\nsizes: 60 40\nencoding: raw", "truncated"),
        ("type: uint8\ndimension: 2\nsizes: 6 4\nencoding: gzip", "damaged or truncated"),
        ("type: block\ndimension: 2\nsizes: 6 4\nencoding: raw", "pixels of type 'block'"),
        ("type: uint8\ndimension: 3\nsizes: 6 2 2\nencoding: raw", "The file is a 3-D volume"),
        ("type: uint8\ndimension: 2\nsizes: 6\nencoding: raw", "The file has no image"),
        ("type: uint8\ndimension: 2\nsizes: 6 4\nencoding: raw\ndata file: far.raw", "Expected far.raw"),
    ],
)
def test_nrrd_that_does_not_fit_is_refused(
    fields: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "frame.nrrd").write_bytes(f"NRRD0004\n{fields}\n\n".encode() + bytes(range(24)))
    assert message in refusal(tmp_path / "frame.nrrd", capfd)


def nifti_bytes(*sizes: int) -> bytes:
    header = np.zeros(352, np.uint8)
    header[:4] = np.array([348], "<i4").view(np.uint8)
    dims = [len(sizes), *sizes] + [1] * (7 - len(sizes))
    header[40:56] = np.array(dims, "<i2").view(np.uint8)
    header[70:72] = np.array([2], "<i2").view(np.uint8)
    header[108:112] = np.array([352], "<f4").view(np.uint8)
    header[344:348] = np.frombuffer(b"n+1\0", np.uint8)
    return header.tobytes() + bytes(range(24))


@pytest.mark.parametrize(
    ("sizes", "message"), [((6, 2, 2), "The file is a 3-D volume"), ((6, 5), "truncated"), ((6,), "image")]
)
def test_nifti_that_does_not_fit_is_refused(
    sizes: tuple[int, ...], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scan.nii").write_bytes(nifti_bytes(*sizes))
    assert message in refusal(tmp_path / "scan.nii", capfd)


def test_frame_axis_outside_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.nii").write_bytes(nifti_bytes(6, 2, 2))
    with pytest.raises(ReadError, match="no such frame axis"):
        open_cine(tmp_path / "scan.nii", frame_axis=3)


def test_float_picture_with_nan_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    values = np.linspace(0, 9, 24, dtype="<f4")
    values[7] = np.nan
    path = write_meta(tmp_path / "frame.mha", values.tobytes(), ElementType="MET_FLOAT")
    assert "1 of 24 pixels NaN" in refusal(path, capfd)


def test_black_frame_is_refused_and_the_others_stay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frames = np.stack([np.eye(8), np.zeros((8, 8)), np.eye(8)]).astype(np.uint8)
    path = write_dicom(tmp_path / "cine.dcm", frames)
    assert "frame 1: The frame is empty" in refusal(path, capfd, index=1)
    assert open_cine(path)[2].pixels.max() > 0


def test_cut_off_dicom_still_gives_its_first_frames(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    path = cut(write_dicom(tmp_path / "cine.dcm", frames, JPEG2000Lossless), 1000)
    assert "frame 2: The frame cannot be decoded" in refusal(path, capfd, index=2)
    np.testing.assert_allclose(open_cine(path)[0].pixels, frames[0] / 255, atol=1e-6)


@pytest.mark.parametrize("keep", [100, 140, 300, 500])
def test_dicom_cut_off_in_its_header_is_refused(keep: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_dicom(tmp_path / "cine.dcm", np.eye(32, dtype=np.uint8))
    refusal(cut(path, path.stat().st_size - keep), capfd)


def test_dicom_element_of_odd_length_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_dicom(tmp_path / "cine.dcm", np.eye(32, dtype=np.uint8))
    rows = b"\x28\x00\x10\x00US"  # tag and type of Rows, then its length
    content = path.read_bytes()
    assert rows + b"\x02\x00" in content
    path.write_bytes(content.replace(rows + b"\x02\x00", rows + b"\x03\x00"))
    assert "This is not a readable DICOM file" in refusal(path, capfd)


def test_dicom_without_picture_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_dicom(tmp_path / "report.dcm", np.eye(32, dtype=np.uint8), Rows=None, BitsStored=None)
    assert "got no Rows, BitsStored" in refusal(path, capfd)


@pytest.mark.skipif(importlib.util.find_spec("av") is not None, reason="PyAV is installed: videos can be read")
def test_video_without_pyav_is_refused_with_a_remedy(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cine.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    assert "pip install av" in refusal(tmp_path / "cine.mp4", capfd)


def test_real_header_without_raw_is_refused(real_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    header = real_data / "camus_official/patient0001/patient0001_4CH_sequence.mhd"
    assert "Expected patient0001_4CH_sequence.raw" in refusal(header, capfd)


def test_real_unsupported_compression_is_refused(real_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refusal(real_data / "dicom_us/unsupported_jpegxl_27f.dcm", capfd)
    assert "1.2.840.10008.1.2.4.111" in message


def test_real_tracking_without_images_is_refused(real_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refusal(real_data / "sequences/no_image_tracker_only.igs.mha", capfd)
    assert re.search(r"has no image.*0 x 0 x 1000", message)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize(
    "name",
    [
        "dicom_us/apical_cine_65f_ybr422_jpeg.dcm",
        "dicom_us/US1_J2KR.dcm",
        "dicom_us/YBR_FULL-RLE.dcm",
        "dicom_us/examples_palette.dcm",
        "hc18_head/006_HC.png",
        "liver/benign_105.jpg",
        "sequences/SpinePhantomFreehand.igs.mha",
        "sequences/NwirePhantomFreehand.igs.nrrd",
        "camus_a4c/database_nifti/patient0001/patient0001_4CH_ED.nii.gz",
    ],
)
def test_real_file_cut_off_anywhere_is_refused(
    name: str, share: float, real_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / Path(name).name
    shutil.copyfile(real_data / name, path)
    refusal(cut(path, int(path.stat().st_size * (1 - share)) + 1), capfd, index=-1)
