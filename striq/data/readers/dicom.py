"""Reader of DICOM ultrasound, single-frame and multi-frame, decoded one frame at a time."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from striq.data.cine import Cine
from striq.data.readers.codestream import CodestreamHeader, read_header
from striq.data.readers.dicom_decoding import decode_frame, is_decodable, is_lossy_of_12_bits
from striq.data.readers.dicom_file import DicomFile, read_dicom
from striq.data.readers.dicom_format import COLORS, GRAYS, PixelFormat
from striq.data.readers.dicom_frames import PixelLayout, find_frames
from striq.data.readers.dicom_gray import Palette, declared_range, display_window, is_inverted, shift_of
from striq.data.readers.dicom_kinds import refuse_other_kinds, warn_of_other_modality
from striq.data.readers.dicom_regions import Region, refuse_other_displays, spacing_mm, tissue_region
from striq.data.readers.dicom_times import frame_times_s
from striq.data.readers.dicom_values import HeaderValues
from striq.data.readers.gray_frames import GrayFrames
from striq.data.readers.intensity import GrayRange
from striq.data.readers.limits import refuse_large_frame, refuse_many_frames
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

logger = logging.getLogger(__name__)
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
    SyntaxError,
    struct.error,
    zlib.error,
)
PIXEL_KEYWORDS = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored")


def open_dicom(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of a DICOM file, cropped to its largest tissue region.

    The number of frames is that of the pixel data. If the header declares more, the cine has one more frame, which
    raises ``ReadError``.

    Args:
        path: DICOM file.
        frame_axis: Ignored; the header states which axis counts the frames.

    Raises:
        ReadError: If the file is not DICOM, has no pixels, is a volume, a mask or a map, or uses a compression without
            an installed decoder.
    """
    del frame_axis
    with _as_read_error(
        "This is not a readable DICOM file",
        path,
        expected="a DICOM file with a complete header",
        remedy="Export it again as a DICOM file (Part 10).",
    ):
        file = read_dicom(path)
        header = HeaderValues(file.header, path)
        _refuse_without_image(path, file)
        refuse_other_kinds(header, path)
        _refuse_color_space(path, file.header)
        pixels = PixelFormat.of(file.header)
        layout = find_frames(file, header.integer("NumberOfFrames"), pixels)
        refuse_large_frame(path, pixels.rows, pixels.columns)
        refuse_many_frames(path, layout.num_frames)
        codestream = _first_codestream(file, layout)
        _refuse_undecodable(path, layout, codestream)
        refuse_other_displays(header, path)
        warn_of_other_modality(header, path)
        precision = codestream.precision if codestream else pixels.bits_stored
        frames = _gray_frames(file, header, layout, pixels, precision)
        region = _fitting_region(path, tissue_region(header, pixels.rows, pixels.columns), pixels, frames)
        return Cine(
            str(path),
            layout.num_frames,
            frames,
            spacing_mm=spacing_mm(header, region),
            times_s=frame_times_s(header, layout.num_frames, path),
            crop=None if region is None else region.crop,
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


def _refuse_without_image(path: Path, file: DicomFile) -> None:
    header: Dataset = file.header
    missing = [keyword for keyword in PIXEL_KEYWORDS if header.get(keyword) in (None, "")]
    if missing or not file.pixel_offset:
        raise ReadError(
            what="The DICOM file has no image",
            where=path,
            expected="an image with Rows, Columns and pixel data",
            got=f"no {', '.join(missing) or 'pixel data'}",
            remedy="Choose the ultrasound images of the study. Reports and directories have no frames.",
        )


def _refuse_color_space(path: Path, header: Dataset) -> None:
    photometric, samples = str(header.PhotometricInterpretation).strip().upper(), header.SamplesPerPixel
    known = COLORS if samples == 3 else GRAYS
    if photometric not in known:
        raise ReadError(
            what="The color space of the pixels is not supported",
            where=path,
            expected=f"{', '.join(known)} for {samples} samples per pixel",
            got=f"{photometric!r} with {samples} samples per pixel",
            remedy="Export the file as RGB or grayscale.",
        )


def _fitting_region(path: Path, region: Region | None, pixels: PixelFormat, frames: GrayFrames) -> Region | None:
    """Return a region unless it was given for a smaller image, as of a file that was enlarged afterwards."""
    if region is None or not region.may_be_of_smaller_image(pixels.rows, pixels.columns):
        return region
    try:
        first = frames(0)
    except ReadError:  # reported when the frame is read
        return region
    if not region.is_of_smaller_image(first):
        return region
    logger.warning("%s: the region of ultrasound cuts the fan as that of a smaller image would; it is not used.", path)
    return None


def _refuse_undecodable(path: Path, layout: PixelLayout, codestream: CodestreamHeader | None) -> None:
    syntax = layout.syntax
    got = (str(syntax) if syntax.name == str(syntax) else f"{syntax.name} ({syntax})") or "no transfer syntax"
    if is_decodable(syntax):
        if codestream is None or not is_lossy_of_12_bits(syntax, codestream):
            return
        got = f"{got} with {codestream.precision} bits per sample, for which there is no decoder"
    raise ReadError(
        what="The pixel data is compressed in a way that cannot be decoded here",
        where=path,
        expected="an uncompressed, RLE, JPEG (lossy: of 8 bits), JPEG-LS or JPEG 2000 transfer syntax",
        got=got,
        remedy="Export the file uncompressed or as JPEG 2000.",
    )


def _gray_frames(
    file: DicomFile, header: HeaderValues, layout: PixelLayout, pixels: PixelFormat, precision: int
) -> GrayFrames:
    """Return the function that reads a frame."""
    palette, shift = None, shift_of(header, pixels)
    gray_range = declared_range(header, pixels, precision)
    if pixels.photometric == "PALETTE COLOR":
        palette, gray_range = Palette(file.header, is_little_endian=file.is_little_endian), GrayRange(0.0, 1.0)

    def read_stored(index: int, *, in_color: bool = False) -> NDArray[Any]:
        with _as_read_error(
            "The frame cannot be decoded",
            f"{file.path}, frame {index}",
            expected=f"{pixels.rows} x {pixels.columns} pixels",
            remedy="Copy or export the file again.",
        ):
            stored = decode_frame(file, layout, pixels, index, in_color=in_color)
            if shift and stored.dtype.kind == "i":
                stored = (stored.astype(np.int64) + shift).astype(stored.dtype.str.replace("i", "u"))
            return stored if palette is None else palette.gray(np.asarray(stored))

    return GrayFrames(
        str(file.path),
        layout.num_frames,
        read_stored,
        declared=gray_range,
        window=display_window(header, pixels),
        inverted=is_inverted(header, pixels.photometric),
        read_colors=partial(read_stored, in_color=True) if pixels.samples == 3 else None,
    )


def _first_codestream(file: DicomFile, layout: PixelLayout) -> CodestreamHeader | None:
    """Return the header of the first compressed frame; ``None`` if it has none, or is not compressed."""
    if not layout.fragments:
        return None
    with file.open() as stream:
        return read_header(layout.read_codestream(stream, 0))
