"""Gray values of DICOM pixels: the range that the header declares, and palettes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut

from striq.data.readers.dicom_format import PixelFormat
from striq.data.readers.dicom_values import HeaderValues
from striq.data.readers.intensity import GrayRange, range_of_depth, used_range
from striq.data.readers.tint import luma_of_white, untinted

CHANNELS = ("Red", "Green", "Blue")
WINDOW_TOLERANCE = 0.02  # of the window, by which its ends may differ from those of a number of bits


def declared_range(header: HeaderValues, pixels: PixelFormat, precision: int) -> GrayRange | None:
    """Return the range of gray values that the header declares; ``None`` if it declares none.

    Bits decide if they are 8 or fewer. In a wider container, it is a window that is the range of a number of bits, or
    else bits that are fewer than the container has.

    Args:
        header: Header of the file.
        pixels: Format of its pixels.
        precision: Bits that the compressed frame declares; those of the header if it is not compressed.
    """
    if pixels.is_signed and not shift_of(header, pixels):
        return None
    bits = min(pixels.bits_stored, precision)
    if bits <= 8:
        return range_of_depth(bits)
    window = display_window(header, pixels)
    for depth in range(8, bits):
        if window is not None and _is_depth(window, depth):
            return range_of_depth(depth)
    return range_of_depth(bits) if bits < pixels.bits_allocated else None


def shift_of(header: HeaderValues, pixels: PixelFormat) -> int:
    """Return what is to be added to stored values: half their range, if the intercept makes signed values unsigned."""
    half = 2 ** (pixels.bits_stored - 1)
    is_shifted = header.number("RescaleIntercept") == half and (header.number("RescaleSlope") or 1.0) == 1.0
    return half if pixels.is_signed and is_shifted else 0


def display_window(header: HeaderValues, pixels: PixelFormat) -> GrayRange | None:
    """Return the ends of the first window (PS3.3 C.11.2.1.2.1) as stored values, with their shift.

    Returns:
        ``None`` if there is no window, or if it is the range of the type, which says no more than the type does.
    """
    center, width = header.number("WindowCenter"), header.number("WindowWidth")
    slope, intercept = header.number("RescaleSlope") or 1.0, header.number("RescaleIntercept") or 0.0
    if center is None or width is None or width <= 1 or slope < 0:
        return None
    black = center - 0.5 - (width - 1) / 2
    shift = shift_of(header, pixels)
    window = GrayRange((black - intercept) / slope + shift, (black + width - 1 - intercept) / slope + shift)
    return None if _is_depth(window, pixels.bits_allocated) else window


def _is_depth(window: GrayRange, bits: int) -> bool:
    white = 2**bits - 1
    tolerance = max(1.0, WINDOW_TOLERANCE * white)
    return abs(window.black) <= tolerance and abs(window.white - white) <= tolerance


def is_inverted(header: HeaderValues, photometric: str) -> bool:
    """Return whether the smallest stored value is displayed as white.

    MONOCHROME1, a falling rescale slope or lookup table, and a falling presentation each invert the gray scale. With
    MONOCHROME1, a falling presentation is only its other name.

    Args:
        header: Header of the file.
        photometric: Its photometric interpretation.
    """
    if not photometric.startswith("MONOCHROME"):
        return False
    falls = (
        photometric == "MONOCHROME1" or header.text("PresentationLUTShape").upper() == "INVERSE",
        (header.number("RescaleSlope") or _shared_slope(header) or 1.0) < 0,
        _falls(header, "ModalityLUTSequence"),
        _falls(header, "VOILUTSequence"),
    )
    return sum(falls) % 2 == 1


def _shared_slope(header: HeaderValues) -> float | None:
    """Return the rescale slope of all frames of an enhanced multi-frame image."""
    groups = header.items("SharedFunctionalGroupsSequence")
    items = [item for group in groups for item in group.items("PixelValueTransformationSequence")]
    return next((item.number("RescaleSlope") for item in items), None)


def _falls(header: HeaderValues, sequence: str) -> bool:
    """Return whether the entries of the first lookup table of a sequence fall; its ends may be exceptions."""
    table = next(iter(header.items(sequence)), None)
    if table is None:
        return False
    num_entries = len(entries := table.entries("LUTData", table.integer("LUTDescriptor")))
    half = num_entries // 2
    return num_entries > 1 and bool(entries[:half].mean() > entries[-half:].mean())


class Palette:
    """The palette of a DICOM file, converted to gray.

    Args:
        header: Header of the file.
        is_little_endian: Byte order of the file.

    Raises:
        ValueError: If the palette is missing or damaged.
    """

    def __init__(self, header: Dataset, *, is_little_endian: bool) -> None:
        num_entries, first, _ = (int(value) for value in header.RedPaletteColorLookupTableDescriptor)
        self._first = first
        if "RedPaletteColorLookupTableData" in header:
            entries = np.stack(
                [_entries(header, name, num_entries or 2**16, is_little_endian) for name in CHANNELS], -1
            )
        else:  # segmented, which pydicom expands
            entries = apply_color_lut(np.arange(first, first + (num_entries or 2**16)), header)[..., :3]
        # Entries of 8 or 12 bits may stand in words of 16, in the low bits or in the high ones; or in both bytes alike.
        is_repeated = bool((entries >> 8 == entries & 0xFF).all())
        values = range_of_depth(16) if is_repeated and entries.max() > 255 else used_range([entries])
        self._gray = untinted(values.apply(entries[None])[0], luma_of_white(entries))

    def gray(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return the gray values of stored indices; those outside the palette have its first or last color."""
        indices = np.clip(stored.astype(np.int64) - self._first, 0, len(self._gray) - 1)
        return self._gray[indices]


def _entries(header: Dataset, channel: str, num_entries: int, is_little_endian: bool) -> NDArray[Any]:
    element = header[f"{channel}PaletteColorLookupTableData"]
    value = element.value
    if isinstance(value, MultiValue | list | tuple):  # an explicit VR of numbers instead of OW
        return np.array([int(entry) for entry in value], dtype=np.uint16)[:num_entries]
    data = bytes(value)
    if element.VR != "OB" and not is_little_endian:
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    if len(data) >= 2 * num_entries:
        return np.frombuffer(data[: 2 * num_entries], "<u2")
    if len(data) - num_entries not in (0, 1):  # a byte each, and one for an even length
        msg = f"a palette of {len(data)} bytes for {num_entries} entries"
        raise ValueError(msg)
    return np.frombuffer(data[:num_entries], "u1")
