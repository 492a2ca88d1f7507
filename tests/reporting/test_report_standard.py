"""Tests of structured reports by dicom-validator, and of what it finds in reports that are spoiled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_validator.validator.iod_validator import IODValidator
from pydicom.dataset import Dataset

from striq.errors import ReadError
from striq.reporting.structured_report import write_structured_report
from tests.reporting.images import MODEL, report_on, results_of
from tests.reporting.standard_tables import standard_tables

REAL_CINES = Path(__file__).parents[3] / "shared" / "data" / "dicom_us"


def errors_in(report: Dataset) -> int:
    return IODValidator(report, standard_tables()).validate().errors


@pytest.mark.parametrize("given", [{}, {"is_multiframe": False}, {"color": True}], ids=["cine", "still", "color"])
def test_validator_finds_no_error(tmp_path: Path, given: dict[str, Any]) -> None:
    report = report_on(tmp_path, [0.25] if given.get("is_multiframe") is False else [0.25, None], **given)
    assert errors_in(pydicom.dcmread(report)) == 0


def test_validator_finds_no_error_in_reports_on_real_images(tmp_path: Path) -> None:
    images = sorted(REAL_CINES.glob("*.dcm"))
    if not images:
        pytest.skip(f"needs the real ultrasound files in {REAL_CINES}")
    found = {}
    for image in images:
        results = results_of([0.25] * int(pydicom.dcmread(image, stop_before_pixels=True).get("NumberOfFrames") or 1))
        with suppress(ReadError):  # an image that names no patient gets no report
            report = write_structured_report(tmp_path / image.name, image, results, MODEL)
            found[image.name] = errors_in(pydicom.dcmread(report))
    assert len(found) >= len(images) - 2
    assert set(found.values()) == {0}


def first(report: Dataset, value_type: str) -> Dataset:
    """Return the first content item of a type, however deep."""
    waiting = list(report.ContentSequence)
    while waiting:
        item = waiting.pop(0)
        if item.ValueType == value_type:
            return item
        waiting += item.get("ContentSequence", [])
    raise AssertionError(value_type)


def without(keyword: str, value_type: str = "") -> Callable[[Dataset], None]:
    return lambda report: delattr(first(report, value_type) if value_type else report, keyword)


SPOILED: dict[str, Callable[[Dataset], None]] = {
    "no completion flag": without("CompletionFlag"),
    "no patient name": without("PatientName"),
    "no number in a measurement": without("MeasuredValueSequence", "NUM"),
    "no code in an evaluation": without("ConceptCodeSequence", "CODE"),
    "no image behind a reference": without("ReferencedSOPSequence", "IMAGE"),
    "text in a measurement": lambda report: setattr(first(report, "NUM"), "TextValue", "much"),
    "no continuity of a container": without("ContinuityOfContent", "CONTAINER"),
    "an element that does not belong": lambda report: setattr(report, "Rows", 4),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_validator_finds_what_is_spoiled(tmp_path: Path, spoil: Callable[[Dataset], None]) -> None:
    report = pydicom.dcmread(report_on(tmp_path, [0.25, None]))
    spoil(report)
    assert errors_in(report) > 0
