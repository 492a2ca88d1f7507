"""The DICOM file that pictures in the scene were read from, by Slicer's DICOM database."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

UIDS = "DICOM.instanceUIDs"  # attribute that Slicer's readers give to a volume
FRAME_TIME, CINE_RATE, DISPLAY_RATE = "0018,1063", "0018,0040", "0008,2144"  # milliseconds, frames per second


def fileOf(volumes: Sequence[slicer.vtkMRMLVolumeNode]) -> str | None:
    """Return the one file that all volumes were read from; ``None`` if there is none in the database."""
    uids = {volume.GetAttribute(UIDS) or "" for volume in volumes}
    uid = uids.pop() if len(uids) == 1 else ""
    if not uid or " " in uid:  # one file per frame
        return None
    database = _database()
    return None if database is None else database.fileForInstance(uid) or None


def frameTimes(path: str | None, numFrames: int) -> list[float] | None:
    """Return the time of each frame of a file in seconds; ``None`` if its header does not say it.

    Slicer's reader of image sequences numbers the frames instead if the header has no FrameTime that ITK finds.
    """
    if path is None:
        return None
    stepMs = _number(path, FRAME_TIME)
    if not stepMs:
        rate = _number(path, CINE_RATE) or _number(path, DISPLAY_RATE)
        stepMs = 1000.0 / rate if rate else None
    return None if stepMs is None else [index * stepMs / 1000.0 for index in range(numFrames)]


def _database() -> slicer.ctkDICOMDatabase | None:
    """Return the database; ``None`` if the DICOM module has not been loaded."""
    return getattr(slicer, "dicomDatabase", None)


def _number(path: str, tag: str) -> float | None:
    database = _database()
    try:
        value = 0.0 if database is None else float(database.fileValue(path, tag))
    except ValueError:
        return None
    return value if value > 0 else None
