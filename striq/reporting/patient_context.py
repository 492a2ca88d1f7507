"""Patient and study attributes of a DICOM image, completed so that a report can copy them."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

# Type 2 attributes of the patient and study modules: required in a report, empty if unknown.
TEXTS = ("PatientName", "StudyID", "AccessionNumber", "ReferringPhysicianName")
DATES = ("PatientBirthDate", "StudyDate")
SEXES = ("M", "F", "O")


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
