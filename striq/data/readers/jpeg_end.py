"""JPEG whose data ends before the picture does; decoders fill the rest, or leave out detail, and report nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from striq.data.readers.codestream import START_OF_FRAME, WITHOUT_LENGTH, read_header

END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN, PROGRESSIVE, WITH_FILLED_GRAY = 0xDA, 0xC2, (0xC0, 0xC1)
NUM_COEFFICIENTS = 64
FILLED_GRAY = 128  # of the blocks that sequential JPEG lacks
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # ends the data of a scan
PADDING = bytes(range(1, 65))  # bits that a decoder takes only where it lacks others


def refuse_cut_off(
    codestream: bytes, pixels: NDArray[np.generic], decode: Callable[[bytes], NDArray[np.generic]]
) -> None:
    """Check that the data of a JPEG codestream lasts to the end of the picture.

    Bytes are added to the end of the data. They change nothing unless the decoder runs out of data before.

    Args:
        codestream: The codestream.
        pixels: What ``decode`` returns for it, shape ``(H, W)`` or ``(H, W, C)``.
        decode: Decoder.

    Raises:
        ValueError: If it ends before, or lacks scans.
    """
    header = read_header(codestream)
    if header is None or (header.frame_marker in WITH_FILLED_GRAY and (pixels[-1, -1] != FILLED_GRAY).any()):
        return
    end, is_detailed = _scans(codestream, is_progressive=header.frame_marker == PROGRESSIVE)
    if not is_detailed:
        msg = "a progressive JPEG that lacks scans"
        raise ValueError(msg)
    if end and not np.array_equal(decode(codestream[:end] + PADDING + codestream[end:]), pixels):
        msg = "compressed data that ends before the picture does"
        raise ValueError(msg)


def refuse_without_end(codestream: bytes) -> None:
    """Check that a codestream has an end of image, which no data of JPEG-LS contains by chance.

    Raises:
        ValueError: If it has none: it was cut off.
    """
    if END_OF_IMAGE not in codestream:
        msg = "compressed data without its end"
        raise ValueError(msg)


def _scans(codestream: bytes, *, is_progressive: bool) -> tuple[int, bool]:
    """Return the end of the last scan, 0 if there is none, and whether the first component has all its scans."""
    position, end, first = 2, 0, -1
    lacking = np.full(NUM_COEFFICIENTS, NUM_COEFFICIENTS)  # bits that each coefficient still lacks
    while position + 4 <= len(codestream) and codestream[position] == 0xFF:
        marker = codestream[position + 1]
        if marker in WITHOUT_LENGTH:
            if codestream[position : position + 2] == END_OF_IMAGE:
                break
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(codestream[position + 2 : position + 4], "big")
        segment = codestream[position + 4 : position + 2 + length]
        position += 2 + length
        if marker in START_OF_FRAME and len(segment) > 6:
            first = segment[6]
        if marker != START_OF_SCAN:
            continue
        if len(segment) > 3 and first in segment[1 : 1 + 2 * segment[0] : 2]:
            lowest, highest, approximation = segment[-3:]
            lacking[lowest : highest + 1] = approximation & 0xF
        found = MARKER.search(codestream, position)
        position = end = found.start() if found else len(codestream)
    return end, not is_progressive or not lacking.any()
