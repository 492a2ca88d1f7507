"""Loaders of public data sets, each on a tiny tree in its official layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.datasets import load_dataset, recognize_layout
from striq.data.datasets.acouslic import frame_ratings
from striq.data.loading import load_images, read_frame
from striq.errors import DatasetError

CAMUS = Path(__file__).parents[3] / "shared" / "data" / "camus_official"


def write_png(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((96, 96), 80, np.uint8)).save(path)


def write_mha(path: Path, frames: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = frames.shape
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    )
    header += f"ElementSpacing = 0.28 0.28 1\nDimSize = {width} {height} {count}\nElementType = MET_UCHAR\n"
    path.write_bytes((header + "ElementDataFile = LOCAL\n").encode() + frames.astype(np.uint8).tobytes())


@pytest.fixture
def hc18(tmp_path: Path) -> Path:
    for name in ("training_set/000_HC", "training_set/001_HC", "training_set/001_2HC", "test_set/000_HC"):
        write_png(tmp_path / f"{name}.png")
    write_png(tmp_path / "training_set" / "000_HC_Annotation.png")
    (tmp_path / "training_set_pixel_size_and_HC.csv").write_text("filename,pixel size(mm),head circumference (mm)\n")
    return tmp_path


def test_hc18_has_a_group_per_fetus_and_no_outlines(hc18: Path) -> None:
    assert recognize_layout(hc18) == "hc18"
    records = load_dataset(hc18)
    assert {record.path.name for record in records} == {"000_HC.png", "001_HC.png", "001_2HC.png"}
    assert [record.group for record in records].count("training_set_001") == 2
    assert {"test_set_000", "training_set_000"} <= {record.group for record in records}
    assert {(record.plane, record.rating) for record in records} == {("fetal_head", None)}


def test_hc18_may_lie_in_a_folder_of_its_own_name(hc18: Path, tmp_path: Path) -> None:
    inner = tmp_path / "again" / "training_set" / "training_set"
    shutil.copytree(hc18 / "training_set", inner)
    assert len(load_dataset(tmp_path / "again", layout="hc18")) == 3


def test_fetal_planes_have_the_planes_and_patients_of_the_table(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_png(tmp_path / "Images" / f"Patient00001_Plane{number}.png")
    (tmp_path / "FETAL_PLANES_DB_data.csv").write_text(
        "Image_name;Patient_num;Plane;Brain_plane;Operator;US_Machine;Train \n"
        "Patient00001_Plane1;1;Fetal abdomen;Not A Brain;Other;Aloka;1\n"
        "Patient00001_Plane2;1;Fetal brain;Trans-thalamic;Op. 1;Voluson E6;1\n"
        "Patient00001_Plane3;2;Maternal cervix;Not A Brain;Op. 2;Other;0\n"
    )
    assert recognize_layout(tmp_path) == "fetal_planes_db"
    records = load_dataset(tmp_path)
    assert [(record.plane, record.group) for record in records] == [
        ("fetal_abdomen", "patient_1"),
        ("fetal_brain", "patient_1"),
        ("maternal_cervix", "patient_2"),
    ]
    assert [r.path.name for r in load_dataset(tmp_path, planes=["fetal_brain"])] == ["Patient00001_Plane2.png"]
    (tmp_path / "Images" / "Patient00001_Plane3.png").unlink()
    with pytest.raises(DatasetError, match=r"line 4: no image Images/Patient00001_Plane3\.png"):
        load_dataset(tmp_path)


@pytest.fixture
def acouslic(tmp_path: Path) -> Path:
    frames = np.tile(np.arange(96, dtype=np.uint8) + 40, (10, 96, 1))
    masks = np.zeros((10, 96, 96), np.uint8)
    masks[4, 20:60, 20:60], masks[5, 20:60, 20:60] = 2, 1
    for name in ("aaa", "bbb"):
        write_mha(tmp_path / "images" / "stacked_fetal_ultrasound" / f"{name}.mha", frames)
        write_mha(tmp_path / "masks" / "stacked_fetal_abdomen" / f"{name}.mha", masks if name == "aaa" else 0 * masks)
    (tmp_path / "circumferences").mkdir()
    (tmp_path / "circumferences" / "fetal_abdominal_circumferences_per_sweep.csv").write_text(
        "uuid,subject_id,sweep_1_ac_mm,sweep_2_ac_mm\naaa,7,210.5,\nbbb,7,,\n"
    )
    return tmp_path


def test_acouslic_rates_optimal_suboptimal_and_unmarked_frames(acouslic: Path) -> None:
    assert recognize_layout(acouslic) == "acouslic"
    records = load_dataset(acouslic)
    listed = {(record.path.stem, record.frame_index): record.rating for record in records}
    assert listed == {("aaa", 0): 0.0, ("aaa", 4): 1.0, ("aaa", 5): 2.0, ("aaa", 9): 0.0, ("bbb", 0): 0.0}
    assert {(record.plane, record.group) for record in records} == {("fetal_abdomen", "subject_7")}
    np.testing.assert_allclose(read_frame(records[2]).pixels[0], (np.arange(96) + 40) / 255, atol=1e-6)
    assert load_images(records, (64, 64), quiet=True).shape == (5, 1, 64, 64)
    assert frame_ratings(acouslic / "masks" / "stacked_fetal_abdomen" / "bbb.mha") == {0: 0.0}


def test_acouslic_without_a_mask_is_refused(acouslic: Path) -> None:
    (acouslic / "masks" / "stacked_fetal_abdomen" / "bbb.mha").unlink()
    with pytest.raises(DatasetError, match=r"line 3: no file masks/stacked_fetal_abdomen/bbb\.mha"):
        load_dataset(acouslic)


@pytest.fixture
def cactus(tmp_path: Path) -> Path:
    place = tmp_path / "Cactus Dataset"
    names = {
        "A4C": ["1_D15_frame_600_v2.jpg", "9_D15_frame_610_v2.jpg", "7_Folder2_12.jpg"],
        "SC": ["4_D15_frame_3_v2.jpg", "still.jpg"],
        "Random": ["0_V1_frame_1.jpg"],
    }
    (place / "Grades").mkdir(parents=True)
    for plane in ("A4C", "PL", "PSAV", "PSMV", "SC", "Random"):
        found = names.get(plane, [f"10_V3_{plane}.jpg"])
        for name in found:
            write_png(place / "Images Dataset" / plane / name)
        rows = [f"{name},{plane},{name.split('_')[0] if '_' in name else 2}\n" for name in found]
        (place / "Grades" / f"{plane}_grades.csv").write_text("Image Name,Subfolder Name,Grade\n" + "".join(rows))
    (place / "Videos" / "Training").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("inner", ["", "Cactus Dataset"])
def test_cactus_has_grades_and_recordings_and_no_random_frames(cactus: Path, inner: str) -> None:
    assert recognize_layout(cactus / inner) == "cactus"
    records = load_dataset(cactus / inner)
    assert {(r.path.name, r.plane, r.group, r.rating) for r in records} == {
        ("1_D15_frame_600_v2.jpg", "A4C", "D15", 1.0),
        ("9_D15_frame_610_v2.jpg", "A4C", "D15", 9.0),
        ("7_Folder2_12.jpg", "A4C", "Folder2", 7.0),
        ("10_V3_PL.jpg", "PL", "V3", 10.0),
        ("10_V3_PSAV.jpg", "PSAV", "V3", 10.0),
        ("10_V3_PSMV.jpg", "PSMV", "V3", 10.0),
        ("4_D15_frame_3_v2.jpg", "SC", "D15", 4.0),
        ("still.jpg", "SC", "unknown_recording", 2.0),
    }


def test_cactus_tells_of_names_without_recordings(cactus: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        load_dataset(cactus)
    assert "the names of 1 frames state no recording" in caplog.text


def test_cactus_without_an_image_or_a_table_is_refused(cactus: Path) -> None:
    place = cactus / "Cactus Dataset"
    (place / "Images Dataset" / "A4C" / "9_D15_frame_610_v2.jpg").unlink()
    with pytest.raises(DatasetError, match=r"line 3: no image Images Dataset/A4C/9_D15_frame_610_v2\.jpg"):
        load_dataset(cactus)
    (place / "Grades" / "A4C_grades.csv").unlink()
    with pytest.raises(DatasetError, match=r"A4C_grades\.csv: no such table"):
        load_dataset(cactus)


@pytest.mark.skipif(not CAMUS.is_dir(), reason="CAMUS in its official layout is not here")
def test_official_camus_has_both_views_with_their_own_grades() -> None:
    records = load_dataset(CAMUS)
    assert {(record.group, record.plane) for record in records} == {
        (f"patient000{number}", plane) for number in (1, 2, 3) for plane in ("A2C", "A4C")
    }
    assert all(record.rating in (0.0, 1.0, 2.0) for record in records)
    assert len(records) == 12
