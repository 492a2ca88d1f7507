"""Site, operator, date and study of a file, read from its DICOM header; nothing about the patient."""

from __future__ import annotations

import datetime
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from striq.data.readers.dicom import DICOM_ERRORS

DATES = ("StudyDate", "AcquisitionDateTime", "AcquisitionDate", "SeriesDate", "ContentDate")  # the first valid one
SITES = ("InstitutionName", "StationName")
TEXTS = ("StudyInstanceUID", "SeriesInstanceUID", "OperatorsName", "Manufacturer", "ManufacturerModelName")
KEYWORDS = (*TEXTS, "StudyDescription", *SITES, *DATES)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Origin of a file; an empty string or ``None`` means unknown.

    Attributes:
        study_instance_uid: StudyInstanceUID.
        series_instance_uid: SeriesInstanceUID.
        site: InstitutionName, or StationName if that is missing.
        operator: OperatorsName.
        manufacturer: Manufacturer of the device.
        date: Date of the study, or of the acquisition if that is missing.
        scanner_model: ManufacturerModelName.
        station: StationName, or the AE title that the file came from if that is missing.
        examination: StudyDescription, by which a policy knows the examination type.
    """

    study_instance_uid: str = ""
    series_instance_uid: str = ""
    site: str = ""
    operator: str = ""
    manufacturer: str = ""
    date: datetime.date | None = None
    scanner_model: str = ""
    station: str = ""
    examination: str = ""


UNKNOWN = Attributes()


def read_attributes(path: Path) -> Attributes:
    """Return the attributes in a DICOM header; all unknown for other formats and unreadable files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd but readable values
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
            return Attributes(
                study_instance_uid=_text(header, "StudyInstanceUID"),
                series_instance_uid=_text(header, "SeriesInstanceUID"),
                site=next(filter(None, (_text(header, keyword) for keyword in SITES)), ""),
                operator=_text(header, "OperatorsName"),
                manufacturer=_text(header, "Manufacturer"),
                date=next(filter(None, (parse_date(_text(header, keyword)) for keyword in DATES)), None),
                scanner_model=_text(header, "ManufacturerModelName"),
                station=_text(header, "StationName") or _text(header.file_meta, "SourceApplicationEntityTitle"),
                examination=_text(header, "StudyDescription"),
            )
        except DICOM_ERRORS:  # reported when the file is scored
            return UNKNOWN


def parse_date(text: str) -> datetime.date | None:
    """Return the date at the start of a text (``20240131``, ``2024-01-31``, ``2024.01.31``), or ``None``.

    Example:
        >>> parse_date("20240131145628.350000")
        datetime.date(2024, 1, 31)
        >>> parse_date("00000000") is None
        True
    """
    digits = text.replace("-", "").replace(".", "")[:8]
    try:
        return datetime.datetime.strptime(digits, "%Y%m%d").date() if len(digits) == 8 else None
    except ValueError:
        return None


def _text(header: Dataset, keyword: str) -> str:
    """Return a value as one printable line; multiple values are joined."""
    value = header.get(keyword)
    several = value if isinstance(value, MultiValue) else [value]
    text = "; ".join(str(one).strip() for one in several if one is not None)
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in encodable).split())
