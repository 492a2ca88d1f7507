"""Tests of ``find_sources``: which files of a folder are offered for reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from striq.data.readers import find_sources
from striq.data.readers.formats import FORMATS, recognize_format

DICOM_START = bytes(128) + b"DICM"


def make(folder: Path, *names: str, content: bytes = b"x") -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in names]


def test_folder_is_searched_deeply_and_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b/2.png", "b/1.nii.gz", "a/x.seq.nrrd", "c.JPG")
    names = [path.relative_to(tmp_path).as_posix() for path in find_sources([tmp_path])]
    assert names == ["a/x.seq.nrrd", "b/1.nii.gz", "b/2.png", "c.JPG"]


def test_other_files_of_a_folder_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "b.md", "Info_4CH.cfg", "c.txt", "notes", ".hidden.png", "table.csv.gz")
    kept = make(tmp_path, "frame.png")
    assert find_sources([tmp_path]) == kept


def test_header_claims_its_raw_file(tmp_path: Path) -> None:
    make(tmp_path, "frame.raw")
    assert find_sources([tmp_path, *make(tmp_path, "frame.mhd")]) == [tmp_path / "frame.mhd"]


def test_dicom_without_suffix_is_known_by_its_preamble(tmp_path: Path) -> None:
    dicom = make(tmp_path, "1.2.840.1", "IM_0001", content=DICOM_START)
    make(tmp_path, "DICOMDIR", content=DICOM_START)
    make(tmp_path, "IM_0002", content=b"DICM")
    assert find_sources([tmp_path]) == dicom


def test_named_file_is_always_returned(tmp_path: Path) -> None:
    named = [*make(tmp_path, "table.csv"), tmp_path / "missing.dcm"]
    assert find_sources(named) == named


def test_named_order_is_kept_and_nothing_is_read_twice(tmp_path: Path) -> None:
    first, second = make(tmp_path, "b.png", "a.png")
    assert find_sources([first, tmp_path]) == [first, second]


def test_path_may_be_text(tmp_path: Path) -> None:
    (path,) = make(tmp_path, "a.png")
    assert find_sources([str(tmp_path)]) == [path]


def test_every_suffix_belongs_to_one_format() -> None:
    suffixes = [suffix for known in FORMATS for suffix in known.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


def test_dicom_whose_preamble_looks_like_a_tiff_is_dicom(tmp_path: Path) -> None:
    (path,) = make(tmp_path, "dual.tif", content=b"II*\0" + bytes(124) + b"DICM")
    recognized = recognize_format(path)
    assert recognized is not None
    assert recognized.name == "dicom"


ANNOTATIONS = (
    "001_HC_Annotation.png",
    "benign (3)_mask.png",
    "benign (3)_mask_1.png",
    "patient0001_4CH_ED_gt.nii.gz",
    "heart_seg.nrrd",
    "heart.seg.nrrd",
    "scan-label.nii.gz",
    "007_masks.tif",
    "MASK2.png",
    "mask_patient7.png",
    "001_HCAnnotation.png",
    "heartMask.png",
    "masks/001.png",
    "labelsTr/001.nii.gz",
    "A4C/annotations/001.png",
)
IMAGES = (
    "001_HC.png",
    "gtx_1.png",
    "segment.png",
    "segA4C.png",
    "labeled.png",
    "masked_ball/1.png",
    "legt.png",
    "seg1/p.png",
    "unlabeled/2.png",
)


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_masks_and_annotation_pictures_are_left_out_and_counted(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = make(tmp_path, *IMAGES)
    (left_out,) = make(tmp_path, name)
    assert find_sources([tmp_path]) == sorted(images)
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: masks and annotation pictures left out by their names: 1."
    ]
    assert find_sources([left_out]) == [left_out]


def test_folder_of_masks_can_be_asked_for(tmp_path: Path) -> None:
    images = make(tmp_path, "masks/001.png", "masks/002.png")
    assert find_sources([tmp_path / "masks"]) == images
