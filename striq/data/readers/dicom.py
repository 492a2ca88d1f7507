"""Reader of DICOM ultrasound, single-frame and multi-frame, decoded one frame at a time."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEG2000, UID, JPEG2000Lossless, JPEGBaseline8Bit

from striq.data.cine import Cine
from striq.data.readers.dicom_regions import frame_times_s, region_crop, spacing_mm, tissue_region
from striq.data.readers.intensity import to_unit_gray
from striq.data.readers.limits import refuse_large_frame, refuse_many_frames
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

PREAMBLE_BYTES, DICOM_MARKER = 128, b"DICM"
# GDCM, pydicom's first choice, fills the missing part of a truncated JPEG with gray and writes to the terminal.
STRICT_DECODERS = {JPEGBaseline8Bit: "pillow", JPEG2000Lossless: "pylibjpeg", JPEG2000: "pylibjpeg"}
# Raised by pydicom and its decoders for damaged files.
DICOM_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    AttributeError,
    KeyError,
    TypeError,
    IndexError,
    OverflowError,
    MemoryError,
    struct.error,
)
# The first component of these is the luma, so converting to RGB and back to gray is not needed.
WITH_LUMA = ("YBR_FULL", "YBR_FULL_422")
PIXEL_KEYWORDS = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored")


def open_dicom(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of a DICOM file, cropped to its largest tissue region.

    Args:
        path: DICOM file.
        frame_axis: Ignored; the header states which axis counts the frames.

    Raises:
        ReadError: If the file is not DICOM, has no pixels, or uses a compression without an installed decoder.
    """
    del frame_axis
    with _as_read_error(
        "This is not a readable DICOM file",
        path,
        expected="a DICOM file with its preamble and a complete header",
        remedy="Export it again as a DICOM file (Part 10).",
    ):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        _refuse_without_image(path, header)
        syntax = _decodable_syntax(path, str(header.file_meta.get("TransferSyntaxUID", "")))
        num_frames = int(header.get("NumberOfFrames") or 1)
        refuse_large_frame(path, int(header.Rows), int(header.Columns))
        refuse_many_frames(path, num_frames)
        region = tissue_region(header)
        return Cine(
            str(path),
            num_frames,
            lambda index: _read_frame(path, header, syntax, index),
            spacing_mm=spacing_mm(header, region),
            times_s=frame_times_s(header, num_frames),
            crop=None if region is None else region_crop(region, header),
        )


@contextmanager
def _as_read_error(what: str, where: str | Path, *, expected: str, remedy: str) -> Generator[None, None, None]:
    """Convert exceptions of pydicom to ``ReadError`` and silence its warnings about unusual values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except DICOM_ERRORS as error:
            raise ReadError(what=what, where=where, expected=expected, got=one_line(error), remedy=remedy) from error


def _refuse_without_image(path: Path, header: Dataset) -> None:
    missing = [keyword for keyword in PIXEL_KEYWORDS if header.get(keyword) is None]
    if missing:
        raise ReadError(
            what="The DICOM file has no image",
            where=path,
            expected="an image with Rows, Columns and pixel data",
            got=f"no {', '.join(missing)}",
            remedy="Choose the ultrasound images of the study. Reports and directories have no frames.",
        )


def _decodable_syntax(path: Path, text: str) -> UID:
    syntax = UID(text)
    try:
        available = get_decoder(syntax).is_available
    except (NotImplementedError, ValueError):
        available = False
    if not available:
        raise ReadError(
            what="The pixel data is compressed in a way that cannot be decoded here",
            where=path,
            expected="an uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000 transfer syntax",
            got=(text if syntax.name == text else f"{syntax.name} ({text})") or "no transfer syntax",
            remedy="Export the file uncompressed or as JPEG 2000.",
        )
    return syntax


def _read_frame(path: Path, header: Dataset, syntax: UID, index: int) -> NDArray[np.float32]:
    with _as_read_error(
        "The frame cannot be decoded",
        f"{path}, frame {index}",
        expected=f"{header.Rows} x {header.Columns} pixels",
        remedy="Copy or export the file again.",
    ):
        color = int(header.SamplesPerPixel) == 3
        luma = color and syntax.is_compressed and str(header.PhotometricInterpretation) in WITH_LUMA
        stored = pixel_array(path, index=index, decoding_plugin=STRICT_DECODERS.get(syntax, ""), raw=luma)
        return _gray(stored[..., 0] if luma else stored, header)


def _gray(stored: NDArray[Any], header: Dataset) -> NDArray[np.float32]:
    """Convert one decoded frame to gray in [0, 1]; YBR colors have been reduced to luma or converted to RGB."""
    photometric = str(header.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        return to_unit_gray(apply_color_lut(stored, header))
    gray = to_unit_gray(stored, bits_stored=int(header.BitsStored))
    return np.float32(1.0) - gray if photometric == "MONOCHROME1" else gray
