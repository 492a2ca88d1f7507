"""Tests of ``striq.audit.archive`` and ``striq.audit.attributes``."""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from striq.audit.archive import list_archive
from striq.audit.attributes import UNKNOWN, Attributes, parse_date, read_attributes
from striq.audit.plan import ArchiveFile, AuditSettings, Plan
from striq.errors import DatasetError
from tests.audit.conftest import PATIENT, write_cine, write_still


def manifest(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def names(archive: Path) -> list[str]:
    return [Path(file.path).name for file in list_archive(archive)[0]]


def test_a_folder_is_searched_with_its_subfolders(archive: Path) -> None:
    assert names(archive) == ["a.png", "b.png", *["cine_0.dcm", "cine_1.dcm"] * 3]


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(DatasetError, match="no file of ultrasound frames below this folder"):
        list_archive(tmp_path)


def test_neither_folder_nor_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder or manifest"):
        list_archive(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("text", ["", "path\n", "path,site\n\n"])
def test_an_empty_manifest_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError, match="the table has no rows"):
        list_archive(manifest(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file,site\na.png,X\n", "missing column.s. path"),
        ("path,site\na.png,X\n,Y\n", "line 3: column 'path' is empty"),
        ("path,date\na.png,soon\n", "line 2: column 'date' must hold a date such as 2024-01-31.*got 'soon'"),
        (
            "path,site\na.png,X\nb.png,X\n./a.png,Y\n",
            "line 4: .*a.png is also listed in .*line 2, with other values",
        ),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        list_archive(manifest(tmp_path, text))


def test_a_path_listed_twice_with_the_same_values_is_one_file(tmp_path: Path) -> None:
    files, repeats = list_archive(manifest(tmp_path, "path,site\nb.png,X\na.png,X\n./b.png,X\n"))
    assert ([Path(file.path) for file in files], repeats) == ([tmp_path / "a.png", tmp_path / "b.png"], 1)


def test_a_listed_file_that_is_not_there_stays_in_the_list(tmp_path: Path) -> None:
    assert list_archive(manifest(tmp_path, "path\ngone.png\n"))[0][0].size == -1


def test_csv_and_parquet_manifests_say_the_same(tmp_path: Path) -> None:
    day = datetime.date(2024, 1, 31)
    table = pyarrow.table({"Path": ["a.png"], "site": ["X"], "operator": [None], "study": ["1.2"], "date": [day]})
    pyarrow.parquet.write_table(table, tmp_path / "manifest.parquet")
    text = "Path,site,operator,study,date\na.png,X,,1.2,2024-01-31\n"
    expected = Attributes(study_instance_uid="1.2", site="X", date=day)
    for path in (tmp_path / "manifest.parquet", manifest(tmp_path, text)):
        assert list_archive(path)[0][0].stated == expected


def test_a_broken_parquet_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match="not a Parquet table"):
        list_archive(tmp_path / "manifest.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"file": ["a.png"]}), tmp_path / "manifest.parquet")
    with pytest.raises(DatasetError, match=r"no rows with a 'path'; its columns are: file"):
        list_archive(tmp_path / "manifest.parquet")


def test_what_a_manifest_states_has_a_digest(tmp_path: Path) -> None:
    write_still(tmp_path / "a.png")
    file = list_archive(tmp_path)[0][0]
    assert file.stated_digest == ""
    stated = [Attributes(site="X"), Attributes(operator="X"), Attributes(site="X", operator="X")]
    assert len({replace(file, stated=one).stated_digest for one in [UNKNOWN, *stated]}) == 4


def test_a_name_that_is_not_utf8_can_be_listed(tmp_path: Path) -> None:
    still = write_still(tmp_path / "a.png")
    os.rename(os.fsencode(still), os.fsencode(tmp_path) + b"/old\xe4.png")  # noqa: PTH104
    files, _ = list_archive(tmp_path)
    assert Path(files[0].path).is_file()
    plan = Plan(AuditSettings("", "", "", 0.5), ((ArchiveFile(files[0].path),),))
    assert plan.identity(0)
    assert plan.row_state(0)


def test_the_header_says_where_when_and_by_whom(tmp_path: Path) -> None:
    header = {
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "InstitutionName": "North <Hospital>\n & Sons",
        "StationName": "cart 3",
        "OperatorsName": "Doe^John",
        "Manufacturer": "Maker",
        "StudyDate": "20240131",
    }
    found = read_attributes(write_cine(tmp_path / "a.dcm", **header))
    day = datetime.date(2024, 1, 31)
    assert found == Attributes("1.2.3", "1.2.3.4", "North <Hospital> & Sons", "Doe^John", "Maker", day, "", "cart 3")


def test_station_and_acquisition_stand_in(tmp_path: Path) -> None:
    found = read_attributes(
        write_cine(tmp_path / "a.dcm", InstitutionName="", StationName="cart 3", AcquisitionDateTime="20240131145628.5")
    )
    assert (found.site, found.date) == ("cart 3", datetime.date(2024, 1, 31))


def test_nothing_about_the_patient_is_read(tmp_path: Path) -> None:
    assert PATIENT not in str(read_attributes(write_cine(tmp_path / "a.dcm", StudyInstanceUID="1.2")))


def test_several_operators_are_joined(tmp_path: Path) -> None:
    assert read_attributes(write_cine(tmp_path / "a.dcm", OperatorsName=["A^B", "C^D"])).operator == "A^B; C^D"


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_nothing_is_known_of_other_and_of_broken_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert read_attributes(tmp_path / "a") == UNKNOWN
    assert read_attributes(tmp_path / "nowhere") == UNKNOWN


@pytest.mark.parametrize("text", ["", "00000000", "2024", "20241301", "today", "2024013"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize("text", ["20240131", "2024-01-31", "2024.01.31", "20240131145628.350000+0100"])
def test_dates_are_read_in_the_forms_of_old_and_new_files(text: str) -> None:
    assert parse_date(text) == datetime.date(2024, 1, 31)
