"""Limits on what a file may ask for, so that a damaged or malicious header cannot exhaust memory or time."""

from __future__ import annotations

from pathlib import Path

from striq.errors import ReadError

MAX_FRAME_PIXELS = 2**25  # 8192 x 4096, four times a 4k picture; in color it takes 0.6 GB while it is converted
MAX_FRAMES = 10**6  # nine hours at 30 frames a second
CHANNELS = (1, 3, 4)  # gray, color, and color with transparency; two are complex numbers or vectors
MAX_HEADER_BYTES = 2**26  # a header of a PLUS sequence takes about a kilobyte per frame
IN_MEMORY_BYTES = 2**28  # decoded pixels that are kept in memory; more are kept in a temporary file
MAX_EXPANSION = 100  # decoded bytes per compressed byte beyond IN_MEMORY_BYTES; ultrasound expands 2 to 20 times


def refuse_large_frame(where: str | Path, height: int, width: int) -> None:
    """Check the size of a frame before memory is allocated for it.

    Raises:
        ReadError: If it has more than ``MAX_FRAME_PIXELS`` pixels.
    """
    if height * width > MAX_FRAME_PIXELS:
        raise ReadError(
            what="The frames are too large",
            where=where,
            expected=f"at most {MAX_FRAME_PIXELS} pixels",
            got=f"{height} x {width} pixels",
            remedy="Check the header, or export the frames in a smaller size.",
        )


def refuse_many_frames(where: str | Path, num_frames: int) -> None:
    """Check the number of frames before anything is made for each of them.

    Raises:
        ReadError: If there are more than ``MAX_FRAMES``.
    """
    if num_frames > MAX_FRAMES:
        raise ReadError(
            what="The header states too many frames",
            where=where,
            expected=f"at most {MAX_FRAMES}",
            got=str(num_frames),
            remedy="Check the header, or divide the cine.",
        )


def refuse_other_channels(where: str | Path, num_channels: int) -> None:
    """Check the number of channels.

    Raises:
        ReadError: If it is that of neither gray nor color.
    """
    if num_channels not in CHANNELS:
        raise ReadError(
            what="The pixels are neither gray nor color",
            where=where,
            expected="1, 3 or 4 channels",
            got=f"{num_channels} channels",
            remedy="Export gray or color images.",
        )


def refuse_implausible_expansion(where: str | Path, num_bytes: int, compressed: int) -> None:
    """Check the size of decoded data against that of the compressed data before anything is decoded.

    Args:
        where: File.
        num_bytes: Size of the decoded data that the header needs.
        compressed: Size of the compressed data.

    Raises:
        ReadError: If the data would expand more than any ultrasound data does.
    """
    if num_bytes > max(IN_MEMORY_BYTES, MAX_EXPANSION * compressed):
        raise ReadError(
            what="The header does not fit the compressed data",
            where=where,
            expected=f"data that expands at most {MAX_EXPANSION} times",
            got=f"{num_bytes} bytes to be decoded from {compressed}",
            remedy="Copy or export the file again, uncompressed if it is right.",
        )
