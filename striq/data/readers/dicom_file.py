"""DICOM files: header, transfer syntax and place of the pixel data, also where the file contradicts itself."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from striq.data.readers.dicom_start import DICOM_MARKER, LONG_VRS, META_GROUP, PREAMBLE_BYTES, looks_like_dicom
from striq.data.readers.limits import IN_MEMORY_BYTES

PIXEL_GROUP, PIXEL_DATA = 0x7FE0, 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
MAX_INFLATED = IN_MEMORY_BYTES  # of a deflated data set; longer cines are compressed frame by frame
LARGE_ELEMENT = 1 << 20  # bytes; larger elements are read when they are used


@dataclass(frozen=True)
class DicomFile:
    """A DICOM file whose header has been read.

    Attributes:
        path: The file.
        header: All elements before the pixel data.
        syntax: Transfer syntax that the meta header states; empty if it states none.
        is_little_endian: Byte order of the data set.
        open: Opens the data set for reading; positions refer to this stream.
        pixel_offset: Position of the value of the pixel data; 0 if there is none.
        pixel_length: Length of this value as declared; ``None`` if it is undefined, as for compressed frames.
        pixel_vr: VR of the pixel data; ``"OW"`` if it is not stated.
        end: Size of the stream.
    """

    path: Path
    header: Dataset
    syntax: UID
    is_little_endian: bool
    open: Callable[[], BinaryIO]
    pixel_offset: int
    pixel_length: int | None
    pixel_vr: str
    end: int


def read_dicom(path: Path) -> DicomFile:
    """Read the header of a DICOM file and find its pixel data.

    Files without preamble or meta header are read as pydicom does: implicit VR little endian, unless the first
    elements show otherwise.

    Raises:
        InvalidDicomError: If the file is not DICOM.
        ValueError: If a deflated file is too large, and further exceptions of pydicom for a damaged file.
    """
    with path.open("rb") as file:
        if not looks_like_dicom(file.read(PREAMBLE_BYTES + len(DICOM_MARKER))):
            msg = "no preamble, and no element of a DICOM header at the start"
            raise InvalidDicomError(msg)
        meta, start = _read_meta(file)
        if UID(meta.get("TransferSyntaxUID") or "") == DeflatedExplicitVRLittleEndian:
            return _read_deflated(path, file, meta, start)
        file.seek(0)
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True, defer_size=LARGE_ELEMENT)
        is_little_endian = header.original_encoding[1] is not False
        return _located(path, header, is_little_endian, lambda: path.open("rb"), file)


def _read_meta(file: BinaryIO) -> tuple[Dataset, int]:
    """Return the meta header, which is empty if there is none, and the position of the data set."""
    file.seek(PREAMBLE_BYTES)
    start = PREAMBLE_BYTES + 4 if file.read(4) == DICOM_MARKER else 0
    position = start
    while True:  # the stated length of the meta header is not reliable
        file.seek(position)
        head = file.read(12)
        if len(head) < 12 or struct.unpack_from("<H", head)[0] != META_GROUP:
            break
        is_long = head[4:6] in LONG_VRS
        position += 12 + struct.unpack_from("<L", head, 8)[0] if is_long else 8 + struct.unpack_from("<H", head, 6)[0]
    file.seek(start)
    meta = read_dataset(BytesIO(file.read(max(0, position - start))), is_implicit_VR=False, is_little_endian=True)
    return meta, position


def _read_deflated(path: Path, file: BinaryIO, meta: Dataset, start: int) -> DicomFile:
    file.seek(start)
    content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), MAX_INFLATED)
    if len(content) == MAX_INFLATED:
        msg = f"a deflated data set of at least {MAX_INFLATED} bytes"
        raise ValueError(msg)
    stream = BytesIO(content)
    header = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag >= PIXEL_DATA,
    )
    header.file_meta = FileMetaDataset(meta)
    return _located(path, header, True, lambda: BytesIO(content), stream)


def _located(
    path: Path, header: Dataset, is_little_endian: bool, opener: Callable[[], BinaryIO], stream: BinaryIO
) -> DicomFile:
    """Return the file with the pixel data that begins at the stream's position."""
    start = stream.tell()
    head = stream.read(12)
    end = stream.seek(0, 2)
    order = "<" if is_little_endian else ">"
    offset, length, vr = 0, 0, "OW"
    if len(head) >= 8 and struct.unpack_from(f"{order}HH", head) == (PIXEL_GROUP, 0x0010):
        # What the element itself shows decides, because the meta header may state another VR encoding.
        if head[4:6] in LONG_VRS and len(head) == 12:
            offset, length, vr = start + 12, struct.unpack_from(f"{order}L", head, 8)[0], head[4:6].decode()
        else:
            offset, length = start + 8, struct.unpack_from(f"{order}L", head, 4)[0]
    return DicomFile(
        path=path,
        header=header,
        syntax=UID(str(getattr(header, "file_meta", {}).get("TransferSyntaxUID") or "")),
        is_little_endian=is_little_endian,
        open=opener,
        pixel_offset=offset,
        pixel_length=None if length == UNDEFINED_LENGTH else length,
        pixel_vr=vr,
        end=end,
    )
