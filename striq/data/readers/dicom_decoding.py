"""Decoding of one frame of a DICOM file.

Every transfer syntax has one decoder, which raises an exception for a damaged frame. Decoders that may end the process
or hang instead run in a process of their own; GDCM decodes only what no other decoder can.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from striq.data.cine import SMALLEST_SIDE
from striq.data.readers.codestream import LOSSLESS, CodestreamHeader, read_header
from striq.data.readers.decoder_process import decode_apart
from striq.data.readers.dicom_file import DicomFile
from striq.data.readers.dicom_format import IS_YBR, PixelFormat
from striq.data.readers.dicom_frames import PixelLayout
from striq.data.readers.jpeg_end import refuse_cut_off, refuse_without_end

JPEG_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
LEAST_FALL = 0.15  # of the stored bits' range; where bits above them rise by one, those of an overlay change at random
# Decoders of pydicom by transfer syntax; JPEG is decoded by Pillow directly.
PLUGINS = {
    RLELossless: "pydicom",
    **dict.fromkeys(JPEGLSTransferSyntaxes, "pyjpegls"),
    **dict.fromkeys(JPEG2000TransferSyntaxes, "pylibjpeg"),
}


def is_decodable(syntax: UID) -> bool:
    """Return whether frames of a transfer syntax can be decoded here."""
    if syntax in JPEG_SYNTAXES:
        return True
    try:
        decoder = get_decoder(syntax)
    except (NotImplementedError, ValueError):
        return False
    return decoder.is_available and (decoder.is_native or PLUGINS.get(syntax) in decoder.available_plugins)


def is_lossy_of_12_bits(syntax: UID, header: CodestreamHeader) -> bool:
    """Return whether a codestream is JPEG that is neither lossless nor of 8 bits, which no decoder reads."""
    return syntax in JPEG_SYNTAXES and header.precision != 8 and header.frame_marker != LOSSLESS


def decode_frame(
    file: DicomFile, layout: PixelLayout, pixels: PixelFormat, index: int, *, in_color: bool = False
) -> NDArray[Any]:
    """Return the stored values of a frame, shape ``(H, W)``, or ``(H, W, 3)`` in RGB.

    Of a frame in a luma and chroma color space, only the luma is returned.

    Args:
        file: File.
        layout: Its frames.
        pixels: Format of its pixels.
        index: Frame to decode.
        in_color: Return such a frame in RGB; one of 8-bit JPEG reduced, which is enough to examine its colors.

    Raises:
        ValueError: If the frame is missing or does not fit the header; further exceptions of the decoder.
    """
    if index >= layout.num_complete:
        declared = "" if layout.num_declared is None else f" of {layout.num_declared} declared"
        msg = f"only {layout.num_complete} complete frames{declared}"
        raise ValueError(msg)
    with file.open() as stream:
        if not layout.fragments:
            stream.seek(file.pixel_offset)
            options = pixels.options(layout.num_complete) | {"pixel_vr": file.pixel_vr, "correct_unused_bits": False}
            return _select_bits(*_decode(layout.syntax, stream, index, options), pixels, in_color)
        codestream = layout.read_codestream(stream, index)
    if layout.syntax == RLELossless:
        options = pixels.options(1) | {"correct_unused_bits": False}
        encapsulated = encapsulate([codestream], has_bot=False)
        return _select_bits(*_decode(RLELossless, encapsulated, 0, options), pixels, in_color)
    header = _checked_header(codestream, pixels)
    options = pixels.options(1) | {"planar_configuration": 0}  # decoders of JPEG and JPEG 2000 return pixels
    if layout.syntax in JPEG_SYNTAXES and header.precision == 8:
        return _decode_jpeg(codestream, header, pixels, in_color)
    if layout.syntax in JPEG_SYNTAXES:
        return _with_sign(
            _luma_or_rgb(*_decode_by_gdcm(codestream, layout.syntax, options), in_color), header.precision
        )
    if layout.syntax in JPEGLSTransferSyntaxes:
        refuse_without_end(codestream)
        plugin = PLUGINS[layout.syntax]
        return _with_sign(
            _luma_or_rgb(*decode_apart(codestream, layout.syntax, plugin, options), in_color), header.precision
        )
    encapsulated = encapsulate([codestream], has_bot=False)
    array, photometric = _decode(layout.syntax, encapsulated, 0, options)
    return _with_sign(_luma_or_rgb(array, header.color or photometric, in_color), header.precision)


def _decode(syntax: UID, source: Any, index: int, options: Mapping[str, Any]) -> tuple[NDArray[Any], str]:
    """Return the array of a frame and its color space."""
    plugin = PLUGINS.get(syntax, "")
    array, decoded = get_decoder(syntax).as_array(source, index=index, raw=True, decoding_plugin=plugin, **options)
    return array, str(decoded["photometric_interpretation"])


def _decode_by_gdcm(codestream: bytes, syntax: UID, options: Mapping[str, Any]) -> tuple[NDArray[Any], str]:
    def decode(codestream: bytes) -> tuple[NDArray[Any], str]:
        return decode_apart(codestream, syntax, "gdcm", options)

    array, photometric = decode(codestream)
    refuse_cut_off(codestream, array, lambda longer: decode(longer)[0])
    return array, photometric


def _luma_or_rgb(array: NDArray[Any], photometric: str, in_color: bool) -> NDArray[Any]:
    if array.ndim != 3 or photometric not in IS_YBR:
        return array
    return _as_rgb(array) if in_color and array.dtype == np.uint8 else array[..., 0]


def _as_rgb(ybr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    planes = [Image.fromarray(np.ascontiguousarray(ybr[..., channel])) for channel in range(3)]
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB"))


def _with_sign(array: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return signed values without sign if they are smoother so: PixelRepresentation contradicts them."""
    if array.dtype.kind != "i" or array.size == 0 or array.min() >= 0:
        return array
    values = array.astype(np.int64)
    unsigned = values & (2**bits - 1)
    steps, unsigned_steps = (np.abs(np.diff(numbers, axis=1)).sum() for numbers in (values, unsigned))
    return array if steps <= unsigned_steps else unsigned.astype(array.dtype.str.replace("i", "u"))


def _select_bits(array: NDArray[Any], photometric: str, pixels: PixelFormat, in_color: bool) -> NDArray[Any]:
    """Return the stored bits as numbers. The bits above and below them may hold overlays.

    Raises:
        ValueError: If the bits above them belong to the numbers, so that BitsStored is too small.
    """
    array = _luma_or_rgb(array, photometric, in_color)
    unused = pixels.bits_allocated - pixels.bits_stored
    if not unused:
        return _with_sign(array, pixels.bits_stored)
    array = array.astype(array.dtype.newbyteorder("="))
    if not pixels.is_signed and pixels.high_bit + 1 == pixels.bits_stored and _goes_on(array, pixels.bits_stored):
        msg = f"values of more than {pixels.bits_stored} bits, although BitsStored is {pixels.bits_stored}"
        raise ValueError(msg)
    below = min(unused, max(0, pixels.high_bit + 1 - pixels.bits_stored))
    if below and _lies_in_low_bits(array, pixels.bits_stored, below):
        below = 0
    return _with_sign(np.right_shift(np.left_shift(array, unused - below), unused), pixels.bits_stored)


def _goes_on(array: NDArray[Any], bits_stored: int) -> bool:
    """Return whether the bits above the stored ones continue them: where those rise by one, these fall."""
    above = (array >> bits_stored).astype(np.int64)
    if not above.any():
        return False
    stored = (array & (2**bits_stored - 1)).astype(np.int64)
    steps = np.diff(above, axis=1)
    is_carry = np.abs(steps) == 1
    falls = -(np.diff(stored, axis=1) * steps)[is_carry]
    return bool(falls.size and falls.mean() > LEAST_FALL * 2**bits_stored)


def _lies_in_low_bits(array: NDArray[Any], bits_stored: int, below: int) -> bool:
    """Return whether the values contradict a HighBit that leaves ``below`` unused bits below them."""
    used = int(np.bitwise_or.reduce(array, axis=None))
    return used & (2**below - 1) > 0 and 0 <= used < 2**bits_stored


def _checked_header(codestream: bytes, pixels: PixelFormat) -> CodestreamHeader:
    """Return the header of a codestream, which must fit that of the file before memory is allocated for it.

    Raises:
        ValueError: If it does not.
    """
    header = read_header(codestream)
    if header is None:
        msg = "a damaged header of the compressed frame"
        raise ValueError(msg)
    if (header.rows, header.columns) != (pixels.rows, pixels.columns):
        msg = f"a compressed frame of {header.rows} x {header.columns} pixels"
        raise ValueError(msg)
    if header.is_signed and not pixels.is_signed:
        msg = "a compressed frame of signed values, although PixelRepresentation says that they are unsigned"
        raise ValueError(msg)
    if header.components not in (1, 3):
        msg = f"a compressed frame of {header.components} samples per pixel"
        raise ValueError(msg)
    return header


def _decode_jpeg(codestream: bytes, header: CodestreamHeader, pixels: PixelFormat, in_color: bool) -> NDArray[Any]:
    """Decode 8-bit JPEG. The color space is what the codestream states, or else what the DICOM header says."""
    is_ybr = header.components > 1 and (header.color == "YBR" if header.color else pixels.photometric in IS_YBR)

    def decode(codestream: bytes) -> NDArray[Any]:
        with Image.open(BytesIO(codestream), formats=("JPEG",)) as image:
            if header.components > 1 and header.read_as_ybr:
                # The draft of the luma alone is faster; a lossless codestream cannot be reduced to it.
                luma_alone = is_ybr and header.frame_marker != LOSSLESS and not in_color
                image.draft("L" if luma_alone else "YCbCr", (SMALLEST_SIDE, SMALLEST_SIDE) if in_color else image.size)
            return np.asarray(image)

    array = decode(codestream)
    if not in_color:
        refuse_cut_off(codestream, array, decode)
    return _luma_or_rgb(array, IS_YBR[0] if is_ybr else "RGB", in_color)
