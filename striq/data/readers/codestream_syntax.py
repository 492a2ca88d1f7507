"""The transfer syntax that a codestream shows, apart from its header so that pictures are read without pydicom."""

from __future__ import annotations

from pydicom.uid import (
    JPEG2000,
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSNearLossless,
    RLELossless,
)

from striq.data.readers.codestream import LOSSLESS, RLE_STARTS, START_OF_FRAME_LS, read_header


def infer_syntax(codestream: bytes) -> UID | None:
    """Return the transfer syntax that a codestream shows; ``None`` if it is unknown."""
    header = read_header(codestream)
    if header is None:
        return RLELossless if len(codestream) >= 64 and codestream.startswith(RLE_STARTS) else None
    if header.frame_marker == 0:
        return JPEG2000
    if header.frame_marker == START_OF_FRAME_LS:
        return JPEGLSNearLossless
    return {0xC0: JPEGBaseline8Bit, LOSSLESS: JPEGLosslessSV1}.get(header.frame_marker, JPEGExtended12Bit)
