"""Taking of an object: it is checked, on disk and in the queue before its sender is told so."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import warnings
from enum import Enum
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset

from striq.data.readers.dicom import DICOM_ERRORS
from striq.errors import StriqError
from striq.serve.disk import DiskBounds
from striq.serve.layout import Layout
from striq.serve.queue import Arrival, Queue

BLOCK_BYTES = 1 << 20
UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
GROUP_LENGTH = struct.Struct("<HH2sHI")  # the first element of the file meta information, after 128 + 4 bytes


class Reason(str, Enum):
    """Why an object is refused."""

    MALFORMED = "malformed"
    MISMATCH = "mismatch"
    SOP_CLASS = "sop_class"
    DISK_FULL = "disk_full"


class RefusedError(StriqError):
    """An object is not taken.

    Args:
        reason: Why.
        detail: What was expected and what was found, without values that may name a patient.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)

    @property
    def is_temporary(self) -> bool:
        """Whether the object may be taken later."""
        return self.reason is Reason.DISK_FULL


class Intake:
    """Takes objects from all sources.

    Args:
        layout: Paths of the service.
        queue: The queue.
        disk: Bounds of disk space.
        sop_classes: UIDs of the accepted SOP classes.
    """

    def __init__(self, layout: Layout, queue: Queue, disk: DiskBounds, sop_classes: frozenset[str]) -> None:
        self.layout, self.queue, self.disk, self.sop_classes = layout, queue, disk, sop_classes

    def take(self, file: Path, origin: str, instance_uid: str | None = None) -> bool:
        """Move a file from the folder ``incoming`` into the queue; return whether it is new there.

        When this returns, file and entry are on disk. An object that is there already, by its UID and its content, is
        removed.

        Args:
            file: The complete file.
            origin: How it came.
            instance_uid: SOPInstanceUID that the sender stated.

        Raises:
            RefusedError: If it is not taken; the file stays.
            OSError: If it cannot be written.
        """
        header = _header(file)
        if instance_uid is not None and header.SOPInstanceUID != instance_uid:
            raise RefusedError(Reason.MISMATCH, "expected the SOPInstanceUID that the sender stated, got another")
        if header.SOPClassUID not in self.sop_classes:
            raise RefusedError(Reason.SOP_CLASS, f"expected an accepted SOP class, got {header.SOPClassUID}")
        digest, size = _digest(file), file.stat().st_size
        study, series, instance = (str(header[name].value) for name in IDENTIFIERS[:3])
        if self.queue.has(instance, digest):
            file.unlink()
            return False
        if not self.disk.make_room(size):
            raise RefusedError(Reason.DISK_FULL, "expected free disk space within [disk], got none")
        is_new = False
        try:
            _move(file, self.layout.source(study, instance, digest))
            is_new = self.queue.add(Arrival(study, series, instance, digest, size, origin))
        finally:
            if not is_new:
                self.disk.release(size)
        return is_new

    def copy(self, stream: BinaryIO, name: str) -> Path:
        """Copy a stream into a file of the folder ``incoming`` and return its path."""
        target = self.layout.incoming / name
        with target.open("wb") as written:
            shutil.copyfileobj(stream, written, BLOCK_BYTES)
        return target


def _header(file: Path) -> Dataset:
    """Return the identifiers of an object, checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd but readable values
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(IDENTIFIERS))
            found = {name: str(header.get(name) or "") for name in IDENTIFIERS}
        except DICOM_ERRORS as error:
            raise RefusedError(Reason.MALFORMED, f"expected a DICOM file, got {type(error).__name__}") from error
    wrong = [name for name, uid in found.items() if len(uid) > LONGEST_UID or not UID.fullmatch(uid)]
    if wrong:
        raise RefusedError(Reason.MALFORMED, f"expected UIDs, got none or invalid ones in {', '.join(wrong)}")
    return header


def _digest(file: Path) -> str:
    """Return the SHA-256 of the data set: the file without its meta information, which each sender writes anew."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        stream.seek(128 + 4)
        start = stream.read(GROUP_LENGTH.size)
        group, element, kind, _, length = GROUP_LENGTH.unpack(start.ljust(GROUP_LENGTH.size, b"\0"))
        has_meta = (group, element, kind) == (2, 0, b"UL")
        stream.seek(128 + 4 + GROUP_LENGTH.size + length if has_meta else 0)
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _move(file: Path, target: Path) -> None:
    """Move a file so that content and name are on disk afterwards."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
    file.replace(target)
    for folder in (target.parent, target.parent.parent):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
