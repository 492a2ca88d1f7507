"""Tests of ``striq.reporting.structured_report``: read back by highdicom, checked by validators where there are any."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pydicom
import pytest
from highdicom.sr import ComprehensiveSR, MeasurementReport, srread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import striq
from striq.errors import ReadError
from striq.reporting.identity import ModelIdentity
from striq.reporting.report_codes import plane_code
from striq.reporting.structured_report import write_structured_report
from striq.scoring.results import FrameResult
from tests.reporting.images import MODEL, SOP_INSTANCE_UID, report_on, results_of, score_of, write_dicom

PIXELMED = Path("/usr/share/java/pixelmed.jar")
REAL_CINES = Path(__file__).parents[3] / "shared" / "data" / "dicom_us"


def groups_of(report: Path) -> list[Any]:
    content = srread(report).content
    assert isinstance(content, MeasurementReport)
    return content.get_image_measurement_groups()


def words(group: Any) -> dict[str, str]:
    return {item.name.meaning: item.value.value for item in group.get_qualitative_evaluations()}


def numbers(group: Any) -> list[float]:
    return [float(item.value) for item in group.get_measurements()]


def frames_of(group: Any) -> list[int] | None:
    (image,) = group.source_images
    assert image.referenced_sop_instance_uid == SOP_INSTANCE_UID
    return image.referenced_frame_numbers


def test_every_frame_comes_back_with_quality_verdict_and_view(tmp_path: Path) -> None:
    _cine, *frames = groups_of(report_on(tmp_path, [0.25, 0.75]))
    assert [numbers(frame) for frame in frames] == [[0.25], [0.75]]
    assert [words(frame) for frame in frames] == [
        {"Quality Assessment": "not_accepted", "Image View": "399214001"},
        {"Quality Assessment": "accepted", "Image View": "399214001"},
    ]


def test_verdict_of_a_person_is_told_from_that_of_the_score(tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "cine.dcm", 2)
    path = write_structured_report(tmp_path / "a.sr.dcm", image, results_of([0.25, 0.75]), MODEL, decided_by_user={1})
    _cine, *frames = groups_of(path)
    assert [words(frame)["Quality Assessment"] for frame in frames] == ["not_accepted", "accepted_user"]


def test_frames_are_referenced_by_numbers_from_one(tmp_path: Path) -> None:
    cine, *frames = groups_of(report_on(tmp_path, [0.25, None, 0.75]))
    assert frames_of(cine) is None
    assert [frames_of(frame) for frame in frames] == [[1], [2], [3]]


@pytest.mark.parametrize("color", [False, True])
def test_image_of_one_frame_is_referenced_as_a_whole(tmp_path: Path, color: bool) -> None:
    _cine, frame = groups_of(report_on(tmp_path, [0.25], is_multiframe=False, color=color))
    assert frames_of(frame) is None


def test_frame_without_a_score_is_said_to_have_none(tmp_path: Path) -> None:
    cine, _first, frame = groups_of(report_on(tmp_path, [0.25, None]))
    assert (words(frame), numbers(frame)) == ({"Quality Assessment": "not_scored"}, [])
    counts = {item.name.value: float(item.value) for item in cine.get_measurements() if "frames" in item.name.value}
    assert counts == {"frames": 2, "frames_accepted": 0, "frames_no_score": 1}


def test_cine_without_any_score_has_no_quality_at_all(tmp_path: Path) -> None:
    groups = groups_of(report_on(tmp_path, [None, None]))
    assert "quality" not in {item.name.value for group in groups for item in group.get_measurements()}


def test_cine_is_summed_up_by_median_worst_and_best_frame(tmp_path: Path) -> None:
    cine = groups_of(report_on(tmp_path, [0.25, 0.75, 0.5]))[0]
    found = {item.derivation: item for item in cine.get_measurements() if item.name.value == "quality"}
    assert {code.meaning: float(item.value) for code, item in found.items()} == {
        "Median": 0.5,
        "Minimum": 0.25,
        "Maximum": 0.75,
    }
    assert found[codes.SCT.Maximum].referenced_images[0].referenced_frame_numbers == [2]
    assert found[codes.SCT.Minimum].referenced_images[0].referenced_frame_numbers == [1]


def test_algorithm_names_version_model_hash_and_threshold_in_every_group(tmp_path: Path) -> None:
    for group in groups_of(report_on(tmp_path, [0.25, 0.75])):
        texts = {
            item.ConceptNameCodeSequence[0].CodeMeaning: item.TextValue
            for item in group[0].ContentSequence
            if item.ValueType == "TEXT" and "Parameters" not in item.ConceptNameCodeSequence[0].CodeMeaning
        }
        parameters = {item.TextValue for item in group[0].ContentSequence if item.get("TextValue", "").count(": ") == 1}
        assert (texts["Algorithm Name"], texts["Algorithm Version"]) == ("STRIQ", striq.__version__)
        assert parameters == {"model: a model 1.2.3", f"model sha256: {MODEL.sha256}", "threshold: 0.5"}


def test_patient_and_study_are_those_of_the_image(tmp_path: Path) -> None:
    report = pydicom.dcmread(report_on(tmp_path, [0.25]))
    image = pydicom.dcmread(tmp_path / "cine.dcm")
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        assert report[keyword].value == image[keyword].value, keyword
    assert str(report.PatientName) == "Müller^Änne"
    assert report.SeriesInstanceUID != image.SeriesInstanceUID


def test_report_is_complete_unverified_and_for_research(tmp_path: Path) -> None:
    path = report_on(tmp_path, [0.25])
    report = srread(path)
    assert isinstance(report, ComprehensiveSR)
    assert (report.CompletionFlag, report.VerificationFlag, report.Modality) == ("COMPLETE", "UNVERIFIED", "SR")
    assert "not for diagnosis" in report.SeriesDescription
    assert words(groups_of(path)[0]) == {"Intended use": "research_only"}
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"


def test_private_scheme_is_identified(tmp_path: Path) -> None:
    report = pydicom.dcmread(report_on(tmp_path, [0.25], is_multiframe=False))
    schemes = {item.CodingSchemeDesignator for item in report.CodingSchemeIdentificationSequence}
    used = {
        element.value
        for element in report.iterall()
        if element.keyword == "CodingSchemeDesignator" and str(element.value).startswith("99")
    }
    assert used == {"99STRIQ"}
    assert used <= schemes


def test_second_run_writes_another_instance_of_the_same_series(tmp_path: Path) -> None:
    first = pydicom.dcmread(report_on(tmp_path, [0.25]))
    second = pydicom.dcmread(report_on(tmp_path, [0.75]))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


def test_another_model_makes_another_series_and_device(tmp_path: Path) -> None:
    first = srread(report_on(tmp_path, [0.25]))
    second = srread(report_on(tmp_path, [0.25], ModelIdentity("a model", "f" * 64, 0.5)))
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    devices = {
        report.content.get_observer_contexts()[0].observer_identifying_attributes.uid for report in (first, second)
    }
    assert len(devices) == 2


def test_frame_keeps_its_tracking_uid_over_runs(tmp_path: Path) -> None:
    uids = [[group.tracking_uid for group in groups_of(report_on(tmp_path, [quality] * 2))] for quality in (0.25, 0.75)]
    assert uids[0] == uids[1]
    assert len(set(uids[0])) == 3


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "PatientID"]
)
def test_image_that_does_not_say_whose_it_is_gets_no_report(tmp_path: Path, keyword: str) -> None:
    image = write_dicom(tmp_path / "cine.dcm")
    header = pydicom.dcmread(image)
    del header[keyword]
    header.save_as(image, enforce_file_format=False)
    with pytest.raises(ReadError, match=f"cine.dcm: No structured report.*got no {keyword}"):
        write_structured_report(tmp_path / "r.dcm", image, results_of([0.25] * 3), MODEL)
    assert not (tmp_path / "r.dcm").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientID": ""},
        {"PatientName": None, "StudyDate": None, "StudyTime": None, "StudyID": None, "ReferringPhysicianName": None},
        {"PatientSex": "U"},
        {"InstanceNumber": None},
        {"SpecificCharacterSet": None, "PatientName": "A^B"},
    ],
)
def test_what_is_unknown_or_odd_in_the_image_stays_unknown(tmp_path: Path, changes: dict[str, Any]) -> None:
    report = pydicom.dcmread(report_on(tmp_path, [0.25, 0.75], **changes))
    for keyword in ("PatientName", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName", "AccessionNumber"):
        assert keyword in report
    assert report.PatientSex in ("", "F")


def test_dates_that_break_the_rules_are_left_empty(tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "cine.dcm")
    content = (
        image.read_bytes()
        .replace(b"20240102", b"2024AB02")
        .replace(b"101112", b"morgen")
        .replace(b"19500101", b"0000--00")
    )
    image.write_bytes(content)
    report = pydicom.dcmread(write_structured_report(tmp_path / "r.dcm", image, results_of([0.25] * 3), MODEL))
    assert (report.StudyDate, report.StudyTime, report.PatientBirthDate) == ("", "", "")


def test_file_of_another_format_gets_no_report(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(ReadError, match=r"a\.png: No structured report.*got a file of another format"):
        write_structured_report(tmp_path / "r.dcm", tmp_path / "a.png", results_of([0.25]), MODEL)


def test_no_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one result"):
        write_structured_report(tmp_path / "r.dcm", write_dicom(tmp_path / "a.dcm"), [], MODEL)


@pytest.mark.parametrize(
    ("plane", "scheme", "value"),
    [
        ("a4c", "SCT", "399214001"),
        ("A2C", "SCT", "399232001"),
        ("none", "99STRIQ", "none"),
        ("liver", "99STRIQ", "liver"),
        ("synthetic_four_chamber", "99STRIQ", "synthetic_four_chamber"),
        ("left\\right\n", "99STRIQ", "left/right"),
        ("Längsschnitt 心" * 10, "99STRIQ", "Längsschnitt 心" * 10),
    ],
)
def test_plane_of_any_name_survives_the_file(tmp_path: Path, plane: str, scheme: str, value: str) -> None:
    image = write_dicom(tmp_path / "cine.dcm", 1)
    results = [FrameResult("cine.dcm", 0, score_of(0.25, plane=plane))]
    _cine, frame = groups_of(write_structured_report(tmp_path / "r.dcm", image, results, MODEL))
    (view,) = frame.get_qualitative_evaluations(name=codes.DCM.ImageView)
    assert (view.value.scheme_designator, view.value.value) == (scheme, value)
    assert view.value.meaning == plane_code(plane).meaning


def check_with(tool: str, report: Path) -> str:
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"needs {tool} (on Debian: dicom3tools has dciodvfy, dcmtk has dsrdump)")
    found = subprocess.run([program, str(report)], capture_output=True, text=True, errors="replace", check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout + found.stderr


@pytest.mark.parametrize("given", [{}, {"is_multiframe": False}, {"color": True}], ids=["cine", "still", "color"])
def test_dciodvfy_finds_no_error(tmp_path: Path, given: dict[str, Any]) -> None:
    said = check_with(
        "dciodvfy", report_on(tmp_path, [0.25] if given.get("is_multiframe") is False else [0.25, None], **given)
    )
    assert "ComprehensiveSR" in said
    assert "Error" not in said


def test_dsrdump_reads_the_whole_tree(tmp_path: Path) -> None:
    said = check_with("dsrdump", report_on(tmp_path, [0.25, None]))
    assert said.count("Measurement Group") == 3


@pytest.mark.slow
def test_pixelmed_finds_every_item_where_the_template_has_it(tmp_path: Path) -> None:
    if shutil.which("java") is None or not PIXELMED.is_file():
        pytest.skip("needs java and pixelmed (on Debian: default-jre-headless and libpixelmed-java)")
    report = report_on(tmp_path, [0.25, None])
    # Its template rules are larger than Java's own limits allow.
    limits = [f"-Djdk.xml.{name}=0" for name in ("xpathTotalOpLimit", "xpathExprOpLimit", "xpathExprGrpLimit")]
    command = ["java", *limits, "-cp", str(PIXELMED), "com.pixelmed.validate.DicomSRValidator", str(report)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Found Root Template TID_1500" in said
    assert "Root Template Validation Complete" in said
    assert "Error" not in said
    # TID 1501 takes any evaluation; the rules of the validator know none by name.
    unknown = {
        line.split("/")[-1].split(" ")[1] for line in said.splitlines() if "Content Item not in template" in line
    }
    assert unknown <= {'(intended_use,99STRIQ,"Intended', '(111050,DCM,"Quality', '(111031,DCM,"Image'}


@pytest.mark.parametrize("name", ["apical_cine_30f_ybr422_jpeg.dcm", "YBR_FULL-RLE.dcm", "gdcm-US-ALOKA-16.dcm"])
def test_report_on_a_real_image_is_valid(tmp_path: Path, name: str) -> None:
    image = REAL_CINES / name
    if not image.is_file():
        pytest.skip(f"needs the real ultrasound files in {REAL_CINES}")
    header: Dataset = pydicom.dcmread(image, stop_before_pixels=True)
    results = results_of([0.25] * int(header.get("NumberOfFrames") or 1))
    report = write_structured_report(tmp_path / "r.dcm", image, results, MODEL)
    assert len(groups_of(report)) == len(results) + 1
    assert "Error" not in check_with("dciodvfy", report)


def test_long_cine_stays_below_three_kilobytes_per_frame(tmp_path: Path) -> None:
    report = report_on(tmp_path, [0.123456] * 100)
    assert report.stat().st_size < 100 * 3000
