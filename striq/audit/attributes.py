"""What the header of a file says about where, when and by whom it was recorded; nothing about the patient."""

from __future__ import annotations

import datetime
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from striq.data.readers.dicom import DICOM_ERRORS

DATES = ("StudyDate", "AcquisitionDateTime", "AcquisitionDate", "SeriesDate", "ContentDate")  # the first usable one
SITES = ("InstitutionName", "StationName")
KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "OperatorsName", "Manufacturer", *SITES, *DATES)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Where a file comes from; an empty text or ``None`` is unknown.

    Attributes:
        study_instance_uid: Of the examination.
        series_instance_uid: Of the series.
        site: InstitutionName, else StationName.
        operator: OperatorsName.
        manufacturer: Of the device.
        date: Of the study.
    """

    study_instance_uid: str = ""
    series_instance_uid: str = ""
    site: str = ""
    operator: str = ""
    manufacturer: str = ""
    date: datetime.date | None = None


UNKNOWN = Attributes()


def read_attributes(path: Path) -> Attributes:
    """Return what a DICOM header says; nothing is known of another file, or of one that cannot be read."""
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
            )
        except DICOM_ERRORS:  # scoring the file will say what is wrong with it
            return UNKNOWN


def parse_date(text: str) -> datetime.date | None:
    """Return the date that a text begins with: ``20240131``, ``2024-01-31`` or ``2024.01.31``; else ``None``.

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
    """Return a value as one printable line; several values are joined."""
    value = header.get(keyword)
    several = value if isinstance(value, MultiValue) else [value]
    text = "; ".join(str(one).strip() for one in several if one is not None)
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in encodable).split())
