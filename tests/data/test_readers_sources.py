"""Tests of ``find_sources``: which files of a folder are offered for reading."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.readers import find_sources, open_cine
from striq.data.readers.formats import FORMATS, recognize_format
from striq.errors import ReadError

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


SKIPPED = ("@eaDir/a.dcm", ".ipynb_checkpoints", "$RECYCLE.BIN", "#recycle", "__MACOSX", ".hidden", "lost+found")


def test_hidden_and_system_folders_are_not_searched(tmp_path: Path) -> None:
    for folder in SKIPPED:
        make(tmp_path, f"study/{folder}/thumbnail.png")
    kept = make(tmp_path, "study/a.png")
    assert find_sources([tmp_path]) == kept
    assert find_sources([tmp_path / "study" / ".hidden"]) != []  # named by the user


def test_files_of_other_types_are_counted_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, "a.png", "b.csv", "deep/c.txt", "deep/d.pdf")
    find_sources([tmp_path])
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path}: files of other types left out: 3."]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_linked_folders_are_searched_once_and_loops_end(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/linked.png", "archive/b/own.png")
    (tmp_path / "archive" / "a_link").symlink_to(tmp_path / "archive" / "b")
    (tmp_path / "archive" / "far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "archive" / "b" / "loop").symlink_to(tmp_path / "archive")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    names = [path.relative_to(tmp_path).as_posix() for path in find_sources([tmp_path / "archive"])]
    assert names == ["archive/b/own.png", "archive/far/linked.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_link_to_nothing_is_reported(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    (tmp_path / "gone.dcm").symlink_to(tmp_path / "nowhere")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    assert [path.name for path in find_sources([tmp_path])] == ["a.png", "gone.dcm"]
    with pytest.raises(ReadError, match="no such file"):
        open_cine(tmp_path / "gone.dcm")


def test_entries_that_cannot_be_read_are_reported_and_cost_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.png", "locked/b.png", "IM_0001", "notes.txt", "1.2.840.5")
    scandir, opener = os.scandir, Path.open

    def no_listing(path: str | Path = ".") -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    def no_opening(self: Path, *given: object) -> object:
        if self.name in ("IM_0001", "notes.txt", "1.2.840.5"):
            raise PermissionError(13, "Permission denied", str(self))
        return opener(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "scandir", no_listing)
    monkeypatch.setattr(Path, "open", no_opening)
    names = [path.name for path in find_sources([tmp_path])]
    assert names == ["1.2.840.5", "IM_0001", "a.png", "locked"]
    for name in ("locked", "IM_0001"):
        with pytest.raises(ReadError, match="Permission denied"):
            open_cine(tmp_path / name)


def test_frames_of_a_gif_are_read_in_order(tmp_path: Path) -> None:
    frames = [np.full((30, 40), 20 * number, np.uint8) for number in range(1, 5)]
    for number, frame in enumerate(frames):
        frame[10:20, number : number + 15] = 250
    pages = [Image.fromarray(frame) for frame in frames]
    pages[0].save(tmp_path / "loop.gif", save_all=True, append_images=pages[1:], duration=40)
    cine = open_cine(tmp_path / "loop.gif")
    assert len(cine) == 4
    for index in (3, 0, 2, 1):
        np.testing.assert_allclose(cine[index].pixels, frames[index] / 255, atol=0.02)


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpeg", ".mpg", ".wmv"])
def test_videos_are_found(suffix: str, tmp_path: Path) -> None:
    cine = make(tmp_path, f"cine{suffix}")
    assert find_sources([tmp_path]) == cine


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
