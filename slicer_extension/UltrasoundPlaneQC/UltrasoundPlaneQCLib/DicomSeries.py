"""Ultrasound series in Slicer's DICOM database."""

from __future__ import annotations

from dataclasses import dataclass

import slicer

MODALITY, SERIES_DESCRIPTION, INSTANCE = "0008,0060", "0008,103e", "0020,0013"


@dataclass(frozen=True)
class Series:
    """One series.

    Attributes:
        label: Patient, date, description and number of files: for the user who chooses.
        description: Description without the patient.
        files: Paths of its files.
    """

    label: str
    description: str
    files: tuple[str, ...]


def ultrasoundSeries() -> list[Series]:
    """Return the ultrasound series of all patients; none if the DICOM module has not been loaded."""
    database: slicer.ctkDICOMDatabase | None = getattr(slicer, "dicomDatabase", None)
    if database is None:
        return []
    found: list[Series] = []
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            for number, series in enumerate(database.seriesForStudy(study), start=1):
                files = tuple(database.filesForSeries(series))
                if files and database.fileValue(files[0], MODALITY) == "US":
                    described = database.fileValue(files[0], SERIES_DESCRIPTION) or f"US {number}"
                    who = database.nameForPatient(patient)
                    date = database.fileValue(files[0], "0008,0020")
                    label = ", ".join(part for part in (who, date, described) if part)
                    found.append(Series(f"{label} ({len(files)})", described, files))
    return found


def cinesOf(series: Series) -> list[tuple[str, str]]:
    """Return name and path of each file of a series, in the order of their instance numbers."""
    database: slicer.ctkDICOMDatabase = slicer.dicomDatabase
    numbered: list[tuple[int, str]] = []
    for path in series.files:
        text = database.fileValue(path, INSTANCE)
        numbered.append((int(text) if text.strip().isdigit() else 0, path))
    return [(f"{series.description} {number}", path) for number, path in sorted(numbered)]
