"""Places of the frames in the pixel data of a DICOM file; their number follows from the data, not from the header."""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from striq.data.readers.codestream import STARTS
from striq.data.readers.codestream_syntax import infer_syntax
from striq.data.readers.dicom_file import UNDEFINED_LENGTH, DicomFile
from striq.data.readers.dicom_format import PixelFormat

logger = logging.getLogger(__name__)
ITEM = b"\xfe\xff\x00\xe0"  # tag of an item, little endian
GE_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"  # private: a little-endian data set with big-endian pixels
MOST_EQUAL = 0.98  # of the changes between neighboring bytes, at one place of three: a gray pixel is stored in colors
LEAST_DIFFERENT = 3.0  # times as much, bytes of one pixel from one another as from those of the next pixel
LEAST_CHANGES = 0.01  # of the bytes; fewer tell nothing
PAD_BITS = 8  # a value has an even number of bytes
LONGEST_START = max(map(len, STARTS))

Fragment = tuple[int, int]  # position and length in bytes


@dataclass(frozen=True)
class PixelLayout:
    """The frames that a file holds.

    Attributes:
        syntax: Transfer syntax of the pixel data.
        num_complete: Frames that the file holds completely.
        num_declared: Frames that the header declares; ``None`` if it declares none.
        is_cut_off: Whether the file ends before its pixel data does.
        fragments: Fragments of every compressed frame; empty for uncompressed pixels.
    """

    syntax: UID
    num_complete: int
    num_declared: int | None
    is_cut_off: bool = False
    fragments: Sequence[Sequence[Fragment]] = ()

    @property
    def num_frames(self) -> int:
        """Frames of the cine. If some are missing, one more than are complete, which cannot be read."""
        missing = self.is_cut_off if self.num_declared is None else self.num_declared > self.num_complete
        return max(1, self.num_complete + missing)

    def read_codestream(self, stream: BinaryIO, index: int) -> bytes:
        """Return a compressed frame."""
        parts: list[bytes] = []
        for position, length in self.fragments[index]:
            stream.seek(position)
            parts.append(stream.read(length))
        return b"".join(parts)


def find_frames(file: DicomFile, num_declared: int | None, pixels: PixelFormat) -> PixelLayout:
    """Return the layout of the pixel data.

    Args:
        file: File with pixel data.
        num_declared: Value of NumberOfFrames, or ``None``.
        pixels: Format of its pixels.

    Raises:
        ValueError: If the pixel data is neither uncompressed nor divided into fragments, or does not fit its format.
    """
    num_declared = num_declared if num_declared is not None and num_declared > 0 else None
    with file.open() as stream:
        stream.seek(file.pixel_offset)
        starts_with_item = stream.read(4) == ITEM
        if starts_with_item and (file.pixel_length is None or is_compressed(file.syntax)):
            layout = _compressed(stream, file, num_declared)
        else:
            layout = _uncompressed(file, num_declared, pixels)
            if pixels.bits_allocated * pixels.samples == 8 and (num_declared or 0) < layout.num_complete > 1:
                stream.seek(file.pixel_offset)
                _refuse_further_samples(stream.read(pixels.rows * pixels.columns))
    if num_declared is not None and num_declared != layout.num_complete:
        message = "%s: the header declares %d frames, the pixel data holds %d."
        logger.warning(message, file.path, num_declared, layout.num_complete)
    return layout


def _uncompressed(file: DicomFile, num_declared: int | None, pixels: PixelFormat) -> PixelLayout:
    present = file.end - file.pixel_offset
    num_bits = 8 * (present if file.pixel_length is None else min(file.pixel_length, present))
    frame_bits = pixels.frame_bits
    # Data of exactly the uncompressed size is uncompressed, whatever the header says.
    if file.pixel_length is None or (is_compressed(file.syntax) and num_bits % frame_bits > PAD_BITS):
        msg = f"pixel data that is not divided into fragments, although its transfer syntax is {file.syntax.name}"
        raise ValueError(msg)
    if pixels.is_subsampled:
        _refuse_full_chroma(8 * file.pixel_length, num_declared, pixels)
    is_little_endian = file.is_little_endian
    if pixels.bits_allocated > 8 and file.syntax and not file.syntax.is_transfer_syntax:
        if file.syntax != GE_BIG_ENDIAN_PIXELS:
            msg = f"pixels of several bytes whose order the private transfer syntax {file.syntax} does not tell"
            raise ValueError(msg)
        is_little_endian = False
    if (left_over := num_bits % frame_bits) > PAD_BITS and present >= file.pixel_length:
        message = "%s: %d bytes of pixel data after the last frame are not used; Rows or Columns may be wrong."
        logger.warning(message, file.path, left_over // 8)
    syntax = ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian
    return PixelLayout(syntax, num_bits // frame_bits, num_declared, is_cut_off=present < file.pixel_length)


def _refuse_full_chroma(num_bits: int, num_declared: int | None, pixels: PixelFormat) -> None:
    """Raise ``ValueError`` if the length of the pixel data is that of pixels whose chroma is not subsampled.

    Three frames of subsampled pixels are as long as two others. The declared number of frames then decides.
    """
    if num_declared is not None and _holds(num_bits, num_declared * pixels.frame_bits):
        return
    full_bits = pixels.frame_bits * 3 // 2
    num_full = num_bits // full_bits
    if num_full and _holds(num_bits, num_full * full_bits):
        msg = (
            f"{num_bits // 8} bytes of {pixels.photometric}: {num_full} frames with as much chroma as luma, which are "
            "of another color space"
        )
        if _holds(num_bits, num_bits // pixels.frame_bits * pixels.frame_bits):
            msg += f", or {num_bits // pixels.frame_bits} frames with half as much; NumberOfFrames does not say which"
        raise ValueError(msg)


def _refuse_further_samples(data: bytes) -> None:
    """Check that the bytes of what may be a frame of one byte per pixel are not those of larger pixels.

    Raises:
        ValueError: If three neighbors are equal or differ more from one another than from those of the next pixel, or
            if every second byte changes more than the others.
    """
    values = np.frombuffer(data, np.uint8).astype(np.int16)
    steps = np.abs(np.diff(values))
    changes = np.flatnonzero(steps)
    if changes.size < LEAST_CHANGES * values.size:
        return
    are_equal = np.bincount(changes % 3).max() > MOST_EQUAL * changes.size
    are_colors = steps.mean() > LEAST_DIFFERENT * np.abs(values[3:] - values[:-3]).mean()
    lower, higher = sorted(np.abs(np.diff(values[first::2])).mean() for first in (0, 1))
    num_bytes = 3 if are_equal or are_colors else 2 if higher > LEAST_DIFFERENT * lower else 1
    if num_bytes > 1:
        msg = f"pixel data of {num_bytes} bytes per pixel, although the header says one sample of 8 bits"
        raise ValueError(msg)


def _holds(num_bits: int, expected: int) -> bool:
    return 0 <= num_bits - expected <= PAD_BITS


def _compressed(stream: BinaryIO, file: DicomFile, num_declared: int | None) -> PixelLayout:
    offsets, fragments, is_complete = _scan(stream, file)
    frames = _group(stream, offsets, fragments, num_declared)
    num_complete = len(frames) if is_complete else max(0, len(frames) - 1)
    layout = PixelLayout(file.syntax, num_complete, num_declared, is_cut_off=not is_complete, fragments=frames)
    if not is_compressed(file.syntax):
        first = layout.read_codestream(stream, 0) if frames else b""
        inferred = infer_syntax(first)
        if inferred is None:
            msg = f"compressed frames of an unknown kind under the transfer syntax {file.syntax.name or 'none'}"
            raise ValueError(msg)
        logger.warning("%s: the frames are compressed as %s, which the header does not say.", file.path, inferred.name)
        layout = replace(layout, syntax=inferred)
    return layout


def is_compressed(syntax: UID) -> bool:
    """Return whether a transfer syntax is one of compressed frames; an unknown one counts as such."""
    return bool(syntax) and (not syntax.is_transfer_syntax or syntax.is_encapsulated)


def _scan(stream: BinaryIO, file: DicomFile) -> tuple[list[int], list[Fragment], bool]:
    """Return the offset table, the fragments, and whether the last fragment is complete."""
    end = file.end if file.pixel_length is None else min(file.end, file.pixel_offset + file.pixel_length)
    position, table, fragments = file.pixel_offset, None, []
    while position + 8 <= end:
        stream.seek(position)
        head = stream.read(8)
        length = struct.unpack_from("<L", head, 4)[0]
        if head[:4] != ITEM or length == UNDEFINED_LENGTH:
            break  # the end, or damage
        position += 8
        present = min(length, end - position)
        if table is None:
            table = list(struct.unpack(f"<{present // 4}L", stream.read(present // 4 * 4)))
        else:
            fragments.append((position, present))
        if present < length:
            return table, fragments, False
        position += length
    return table or [], fragments, True


def _group(
    stream: BinaryIO, offsets: Sequence[int], fragments: Sequence[Fragment], num_declared: int | None
) -> list[list[Fragment]]:
    """Return the fragments of each frame.

    A frame is one fragment if the header declares as many frames as there are fragments. Otherwise a frame begins
    where a codestream does; for codestreams without a mark, where the offset table says.
    """
    if len(fragments) == num_declared:
        return [[fragment] for fragment in fragments]
    first = fragments[0][0] - 8 if fragments else 0
    begins = [_begins_codestream(stream, fragment) for fragment in fragments]
    if begins and not begins[0]:
        listed = {first + offset for offset in offsets}
        begins = [position - 8 in listed for position, _ in fragments] if len(listed) > 1 else [True] * len(fragments)
    frames: list[list[Fragment]] = []
    for fragment, begins_frame in zip(fragments, begins, strict=True):
        if begins_frame or not frames:
            frames.append([])
        frames[-1].append(fragment)
    return frames


def _begins_codestream(stream: BinaryIO, fragment: Fragment) -> bool:
    position, length = fragment
    stream.seek(position)
    return stream.read(min(length, LONGEST_START)).startswith(STARTS)
