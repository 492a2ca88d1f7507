"""Headers of JPEG, JPEG-LS and JPEG 2000 codestreams: size, precision and color, without decoding."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

Color = Literal["RGB", "YBR"]

JPEG_START, J2K_START, JP2_START = b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "
# The header of RLE is the number of segments and 15 offsets, the first of which is its own size.
RLE_SEGMENTS = (1, 2, 3, 4, 6, 12)  # one per byte of a pixel of 1 or 3 samples of 8, 16 or 32 bits
RLE_STARTS = tuple(struct.pack("<2L", number, 64) for number in RLE_SEGMENTS)
STARTS = (JPEG_START, J2K_START, JP2_START, *RLE_STARTS)
START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # C4, C8 and CC are tables
LOSSLESS, START_OF_FRAME_LS = 0xC3, 0xF7
WITHOUT_LENGTH = {0x01, 0xFF, *range(0xD0, 0xDA)}  # TEM, fill byte, restart and start markers
J2K_CODING_STYLE, J2K_START_OF_TILE = 0x52, 0x90  # second bytes of the markers
RGB_IDS = (tuple(b"RGB"), tuple(b"rgb"))
ADOBE_LENGTH = 12  # bytes of the segment that holds the color transform


@dataclass(frozen=True)
class CodestreamHeader:
    """What the header of a codestream declares.

    Attributes:
        rows: Rows of the image.
        columns: Columns of the image.
        precision: Bits per sample.
        components: Samples per pixel.
        frame_marker: Second byte of the start-of-frame marker; 0 for JPEG 2000.
        color: Color space that JFIF or Adobe markers or component identifiers state, or that the component transform
            of JPEG 2000 decodes to; ``None`` if nothing states one.
        read_as_ybr: Whether libjpeg takes the components for YCbCr.
        is_signed: Whether the samples are signed; only JPEG 2000 tells.
    """

    rows: int
    columns: int
    precision: int
    components: int
    frame_marker: int = 0
    color: Color | None = None
    read_as_ybr: bool = False
    is_signed: bool = False


def read_header(codestream: bytes) -> CodestreamHeader | None:
    """Return the header of a codestream; ``None`` if it is damaged or of another kind, such as RLE."""
    try:
        if codestream.startswith(JPEG_START):
            return _jpeg(codestream)
        start = codestream.find(J2K_START) if codestream.startswith(JP2_START) else 0
        if start >= 0 and codestream.startswith(J2K_START, start):
            return _jpeg2000(codestream[start:])
    except (struct.error, IndexError):
        pass
    return None


def _jpeg2000(codestream: bytes) -> CodestreamHeader:
    right, bottom, left, top = struct.unpack_from(">4L", codestream, 8)
    color: Color | None = "RGB" if _is_transformed(codestream) else None
    return CodestreamHeader(
        rows=bottom - top,
        columns=right - left,
        precision=(codestream[42] & 0x7F) + 1,
        components=struct.unpack_from(">H", codestream, 40)[0],
        color=color,
        is_signed=codestream[42] >= 0x80,
    )


def _is_transformed(codestream: bytes) -> bool:
    """Return whether the components of JPEG 2000 were transformed from RGB, which decoding reverses."""
    position = 2
    while codestream[position] == 0xFF and codestream[position + 1] != J2K_START_OF_TILE:
        if codestream[position + 1] == J2K_CODING_STYLE:
            return codestream[position + 8] == 1
        position += 2 + struct.unpack_from(">H", codestream, position + 2)[0]
    return False


def _jpeg(codestream: bytes) -> CodestreamHeader | None:
    position = 2
    is_jfif, adobe_transform = False, None
    while True:
        prefix, marker = codestream[position], codestream[position + 1]
        if prefix != 0xFF:
            return None
        if marker in WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", codestream, position + 2)
        if marker in START_OF_FRAME or marker == START_OF_FRAME_LS:
            return _jpeg_frame(codestream, position, is_jfif, adobe_transform)
        segment = codestream[position + 4 : position + 2 + length]
        is_jfif = is_jfif or (marker == 0xE0 and segment.startswith(b"JFIF\0"))
        if marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= ADOBE_LENGTH:
            adobe_transform = segment[ADOBE_LENGTH - 1]
        position += 2 + length


def _jpeg_frame(codestream: bytes, position: int, is_jfif: bool, adobe_transform: int | None) -> CodestreamHeader:
    precision, rows, columns, components = struct.unpack_from(">BHHB", codestream, position + 4)
    ids = tuple(codestream[position + 10 + 3 * i] for i in range(components))
    color: Color | None = None
    if ids in RGB_IDS:
        color = "RGB"
    elif is_jfif or adobe_transform is not None:
        color = "YBR" if is_jfif or adobe_transform else "RGB"
    # Without markers, libjpeg takes lossless components as they are.
    is_assumed = ids != RGB_IDS[0] and codestream[position + 1] != LOSSLESS
    read_as_ybr = is_jfif or (bool(adobe_transform) if adobe_transform is not None else is_assumed)
    return CodestreamHeader(
        rows=rows,
        columns=columns,
        precision=precision,
        components=components,
        frame_marker=codestream[position + 1],
        color=color,
        read_as_ybr=read_as_ybr,
    )
