"""Patient and study attributes of a DICOM image, completed so that a report can copy them."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.valuerep import DA, TM

from striq.errors import ReadError

EVIDENCE_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")

# Type 2 attributes of the patient and study modules: required in a report, empty if unknown.
TEXTS = ("PatientName", "StudyID", "AccessionNumber", "ReferringPhysicianName")
DATES = ("PatientBirthDate", "StudyDate")
SEXES = ("M", "F", "O")


def read_context(path: Path) -> Dataset:
    """Return the header of a DICOM image, with every attribute that a report copies.

    Raises:
        ReadError: If the file is not DICOM, or lacks an identifier that a report needs.
    """
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError as error:
        raise unfit(path, "a file of another format") from error
    missing = [keyword for keyword in EVIDENCE_KEYWORDS if not header.get(keyword)]
    missing += ["PatientID"] if "PatientID" not in header else []
    if missing:
        raise unfit(path, f"no {', '.join(missing)}")
    return complete_context(header)


def unfit(path: str | Path, got: str) -> ReadError:
    """Return the error of a file that no report can be written for."""
    return ReadError(
        what="No structured report can be written for this file",
        where=path,
        expected="a DICOM image that names its patient, study, series and instance",
        got=got,
        remedy="Its frames are in the table of scores. For a report, score the DICOM file that the scanner wrote.",
    )


def complete_context(header: Dataset) -> Dataset:
    """Return the header with every attribute that a report copies; missing and invalid values become empty.

    Convention:
        - Values are not repaired: a date or sex that the standard does not allow is left empty.
        - Identifiers are not changed or checked.

    Args:
        header: Header of an image, modified in place.
    """
    for keyword in TEXTS:
        header.setdefault(keyword, "")
    for keyword in DATES:
        if not _is_valid(header, keyword, DA):
            setattr(header, keyword, "")
    if not _is_valid(header, "StudyTime", TM):
        header.StudyTime = ""
    if header.get("PatientSex") not in SEXES:
        header.PatientSex = ""
    if not _is_count(header, "InstanceNumber"):
        header.InstanceNumber = 1
    return header


def _is_valid(header: Dataset, keyword: str, kind: type) -> bool:
    try:
        value = header.get(keyword)
        return value is not None and (not value or kind(str(value)) is not None)
    except (ValueError, TypeError):
        return False


def _is_count(header: Dataset, keyword: str) -> bool:
    try:
        return int(header.get(keyword) or 0) > 0
    except (ValueError, TypeError):
        return False
