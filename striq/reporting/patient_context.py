"""Patient and study of a DICOM image, in the state that a report about it can inherit."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

# Type 2 of the patient and study modules: a report must have them, empty where they are not known.
TEXTS = ("PatientName", "StudyID", "AccessionNumber", "ReferringPhysicianName")
DATES = ("PatientBirthDate", "StudyDate")
SEXES = ("M", "F", "O")


def complete_context(header: Dataset) -> Dataset:
    """Return the header with every attribute that a report inherits; what is not valid there becomes unknown.

    Convention:
        - Nothing is guessed: a date or sex that breaks the standard's rules is left empty, as the standard has it.
        - Identifiers are left as they are; whether they are there is the caller's question.

    Args:
        header: Header of an image; changed in place.
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
