"""Results as DICOM objects, written by a process of its own: structured report, key objects, captured pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from .FrameSource import FrameSource, SourceError, knownSpacingOf
from .Results import Results
from .WorkerClient import Scratch, WorkerClient

REPORT, KEY_OBJECT, CAPTURES = "report.sr.dcm", "key_frames.ko.dcm", "key_frames"


class DicomError(RuntimeError):
    """Results cannot be written as DICOM, or not be imported."""


@dataclass(frozen=True)
class Written:
    """What an export has written.

    Attributes:
        folder: Folder of the files.
        files: The files.
        wasImported: Whether they are in Slicer's DICOM database.
    """

    folder: Path
    files: list[Path]
    wasImported: bool


class DicomExport:
    """Writes DICOM files without blocking the window, in a process on this computer that ends afterwards.

    The process that scores is not used: it may be on another computer, where no name of a patient is sent.

    Args:
        client: Client of the process; a new one by default.
    """

    def __init__(self, client: WorkerClient | None = None) -> None:
        self._client = client or WorkerClient()
        self._commandId: int | None = None
        self._scratch: Scratch | None = None
        self._target: Path | None = None  # ``None``: the DICOM database

    @property
    def isBusy(self) -> bool:
        """Whether an answer is awaited."""
        return self._commandId is not None

    def start(
        self, source: FrameSource, results: Results, chosen: Sequence[int], folder: Path | None, patientId: str = ""
    ) -> None:
        """Write the results of a cine.

        Args:
            source: Frames that were scored.
            results: Their scores.
            chosen: Key frames.
            folder: Takes a new folder of the files; ``None`` puts them into Slicer's DICOM database.
            patientId: Identifier of the patient for pictures that are not from DICOM.

        Raises:
            DicomError: If there is nothing to write, or no database.
            SourceError: If the pictures cannot be captured.
            WorkerError: If the process cannot start.
        """
        if not chosen:
            raise DicomError(_("No frame has a score. Score the cine first."))
        if folder is None:
            openDatabase()
        self.close()
        self._scratch = scratch = Scratch()
        self._target = None if folder is None else _newFolder(folder, source.name)
        place = self._target or scratch.file("import")
        table = results.exportCsv(scratch.file("scores.csv"))
        details = {"table": str(table), "key_frames": list(chosen), **_model(results)}
        self._client.start()
        if source.dicomFile is not None:
            parts = {"report": str(place / REPORT), "key_object": str(place / KEY_OBJECT)}
            self._commandId = self._client.send("report", original=source.dicomFile, **parts, **details)
            return
        pictures = np.stack([asShown(source.frame(index)) for index in chosen])
        np.save(scratch.file("pictures.npy"), pictures)
        self._commandId = self._client.send(
            "report",
            captures=str(place / CAPTURES),
            frames=str(scratch.file("pictures.npy")),
            spacing_mm=knownSpacingOf(source.volume),
            patient_id=patientId,
            **details,
        )

    def poll(self) -> Written | None:
        """Return what was written once it is, ``None`` before.

        Raises:
            DicomError: If it cannot be written or imported.
            WorkerError: If the process has ended on its own.
        """
        for answer in self._client.poll(self._commandId) if self.isBusy else ():
            if answer["event"] == "error":
                self.close()
                raise DicomError(answer["text"])
            if answer["event"] == "reported":
                return self._finish([Path(file) for file in answer["files"]])
        return None

    def _finish(self, files: list[Path]) -> Written:
        folder, isImport = files[0].parent, self._target is None
        try:
            if isImport:
                importFolder(folder)
        finally:
            self.close()
        return Written(folder, files, isImport)

    def close(self) -> None:
        """End the process and remove temporary files; files that were written stay."""
        self._commandId = None
        self._client.stop()
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None


def openDatabase() -> slicer.ctkDICOMDatabase:
    """Return Slicer's DICOM database.

    Raises:
        DicomError: If there is none, or it is not open.
    """
    database: slicer.ctkDICOMDatabase | None = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise DicomError(_("There is no open DICOM database. Open the module DICOM once, or save to a folder."))
    return database


def importFolder(folder: Path) -> None:
    """Copy the DICOM files of a folder into Slicer's database.

    Raises:
        DicomError: If they cannot be imported.
    """
    openDatabase()
    from DICOMLib import DICOMUtils

    if not DICOMUtils.importDicom(str(folder), None, True):  # True: copy, the folder is temporary
        raise DicomError(_("The files cannot be imported into the DICOM database. Save them to a folder instead."))


def asShown(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture as 8-bit gray or RGB; values of another type are stretched from the darkest to the brightest.

    Raises:
        SourceError: If it has neither one, three nor four channels.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[2] not in (3, 4):
        raise SourceError(_("A picture has {count} channels; expected gray or RGB.").format(count=pixels.shape[2]))
    if pixels.ndim == 3:
        pixels = pixels[..., :3]
    if pixels.dtype == np.uint8:
        return np.array(pixels)
    low, high = float(pixels.min()), float(pixels.max())
    return np.round((pixels.astype(np.float64) - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _newFolder(folder: Path, name: str) -> Path:
    """Return a path in a folder that does not exist yet, named after the cine."""
    stem = re.sub(r"[^\w-]+", "_", name).strip("_") or "cine"
    number = 1
    while (found := folder / (f"{stem}_dicom" if number == 1 else f"{stem}_dicom_{number}")).exists():
        number += 1
    return found


def _model(results: Results) -> dict[str, Any]:
    facts = results.facts()
    about: dict[str, str] = facts.get("about") or {}
    return {
        "name": about.get("name") or Path(facts.get("model", "")).name,
        "version": about.get("version", ""),
        "sha256": facts.get("sha256", ""),
        "threshold": results.threshold,
        "policy": "" if results.policy is None else results.policy.text,
    }
