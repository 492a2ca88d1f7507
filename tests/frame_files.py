"""One 8-bit gray frame written in every lossless format and way of storing it that STRIQ reads."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from pydicom.dataset import Dataset
from pydicom.pixels import compress
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.dicom_writer import save, ultrasound

Gray = NDArray[np.uint8]  # (H, W)
Stored = NDArray[np.generic]
Writer = Callable[[Path, Gray], Path]  # folder and frame to file
MIN_IS_WHITE = 0
META_TYPES = {"uint8": "MET_UCHAR", "uint16": "MET_USHORT", "float32": "MET_FLOAT"}
NRRD_TYPES = {"uint8": "uint8", "uint16": "uint16", "float32": "float"}

STORED: dict[str, Callable[[Gray], Stored]] = {
    "uint8": lambda frame: frame,
    "uint16, 8 bits used": lambda frame: frame.astype(np.uint16),
    "uint16, 12 bits used": lambda frame: frame.astype(np.uint16) * 16,
    "uint16, all bits used": lambda frame: frame.astype(np.uint16) * 257,
    "float32, 0 to 255": lambda frame: frame.astype(np.float32),
    "float32, 0 to 1": lambda frame: frame.astype(np.float32) / 255,
}


def _rgb(frame: Gray) -> NDArray[np.uint8]:
    return np.repeat(frame[..., None], 3, axis=-1)


def _picture(suffix: str, change: Callable[[Gray], Stored], **options: object) -> Writer:
    def write(folder: Path, frame: Gray) -> Path:
        Image.fromarray(change(frame)).save(folder / f"frame.{suffix}", **options)
        return folder / f"frame.{suffix}"

    return write


def _inverted_palette(folder: Path, frame: Gray) -> Path:
    picture = Image.fromarray(255 - frame)
    picture.putpalette([value for gray in range(256) for value in [255 - gray] * 3])
    picture.save(folder / "frame.png")
    return folder / "frame.png"


def _tiff_min_is_white(dtype: type[np.unsignedinteger]) -> Writer:
    def write(folder: Path, frame: Gray) -> Path:
        white = np.iinfo(dtype).max
        stored = (white - frame.astype(dtype) * (white // 255)).astype(dtype)
        Image.fromarray(stored).save(folder / "frame.tif")
        content = bytearray((folder / "frame.tif").read_bytes())
        tag = TiffImagePlugin.PHOTOMETRIC_INTERPRETATION.to_bytes(2, "little") + b"\3\0\1\0\0\0"
        content[content.index(tag) + len(tag)] = MIN_IS_WHITE
        (folder / "frame.tif").write_bytes(content)
        return folder / "frame.tif"

    return write


def _nifti(suffix: str, change: Callable[[Gray], Stored], slope: float | None = None) -> Writer:
    def write(folder: Path, frame: Gray) -> Path:
        stored = change(frame)
        image = nibabel.Nifti1Image(stored.T, np.eye(4), dtype=stored.dtype)
        if slope is not None:
            image.header.set_slope_inter(slope, 0)
        nibabel.save(image, folder / f"frame.{suffix}")
        return folder / f"frame.{suffix}"

    return write


def _metaimage(change: Callable[[Gray], Stored], *, is_compressed: bool = False, is_apart: bool = False) -> Writer:
    def write(folder: Path, frame: Gray) -> Path:
        stored = change(frame)
        text = (
            f"ObjectType = Image\nNDims = 2\nDimSize = {frame.shape[1]} {frame.shape[0]}\n"
            f"CompressedData = {is_compressed}\nElementType = {META_TYPES[stored.dtype.name]}\n"
        )
        content = zlib.compress(stored.tobytes()) if is_compressed else stored.tobytes()
        if is_apart:
            (folder / "frame.raw").write_bytes(content)
            (folder / "frame.mhd").write_text(f"{text}ElementDataFile = frame.raw\n")
            return folder / "frame.mhd"
        (folder / "frame.mha").write_bytes(f"{text}ElementDataFile = LOCAL\n".encode() + content)
        return folder / "frame.mha"

    return write


def _nrrd(change: Callable[[Gray], Stored], encoding: str) -> Writer:
    def write(folder: Path, frame: Gray) -> Path:
        stored = change(frame)
        text = (
            f"NRRD0004\ntype: {NRRD_TYPES[stored.dtype.name]}\ndimension: 2\nsizes: {frame.shape[1]} {frame.shape[0]}\n"
            f"endian: little\nencoding: {encoding}\n\n"
        )
        content = gzip.compress(stored.tobytes()) if encoding == "gzip" else stored.tobytes()
        (folder / "frame.nrrd").write_bytes(text.encode() + content)
        return folder / "frame.nrrd"

    return write


def _sequence(name: str, start: str) -> Writer:
    """A cine of two equal frames in a format of 3D Slicer or PLUS."""

    def write(folder: Path, frame: Gray) -> Path:
        text = start.format(width=frame.shape[1], height=frame.shape[0])
        (folder / name).write_bytes(text.encode() + frame.tobytes() * 2)
        return folder / name

    return write


SLICER = (
    "NRRD0004\ntype: uint8\ndimension: 3\nsizes: {width} {height} 2\nkinds: domain domain time\nspacings: 0.2 0.2 nan\n"
    "axis 0 index values:=0 1\nencoding: raw\n\n"
)
PLUS = (
    "ObjectType = Image\nNDims = 3\nDimSize = {width} {height} 2\nElementType = MET_UCHAR\nKinds = domain domain list\n"
    "UltrasoundImageOrientation = MF\nSeq_Frame0000_Timestamp = 0.1\nSeq_Frame0001_Timestamp = 0.2\n"
    "ElementDataFile = LOCAL\n"
)


def _dicom(change: Callable[[Gray], Stored], syntax: str = "", bits: int = 0, **elements: object) -> Writer:
    """A DICOM file; ``syntax`` is that of the pixels, ``bits`` are those stored, further elements are set."""

    def write(folder: Path, frame: Gray) -> Path:
        dataset = ultrasound(change(frame))
        _set(dataset, bits, **elements)
        if syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
            compress(dataset, syntax, generate_instance_uid=False)
        elif syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
        return save(dataset, folder / "frame.dcm")

    return write


def _set(dataset: Dataset, bits: int, **elements: object) -> None:
    if bits:
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)


def _swapped(frame: Gray) -> Stored:
    return (frame.astype(np.uint16) * 257).astype(">u2")


def _ybr(frame: Gray) -> Stored:
    gray = np.full_like(frame, 128)
    return np.stack([frame, gray, gray], axis=-1)


def _ybr_422(folder: Path, frame: Gray) -> Path:
    pairs = frame.reshape(frame.shape[0], -1, 2)
    dataset = ultrasound(_rgb(frame), "YBR_FULL_422")
    dataset.PixelData = np.concatenate([pairs, np.full_like(pairs, 128)], axis=-1).tobytes()
    return save(dataset, folder / "frame.dcm")


def _planar(folder: Path, frame: Gray) -> Path:
    dataset = ultrasound(_rgb(frame))
    dataset.PlanarConfiguration, dataset.PixelData = 1, frame.tobytes() * 3
    return save(dataset, folder / "frame.dcm")


def _dicom_palette(bits: int) -> Writer:
    """Indices into a palette of descending gray, with entries of 8 or 16 bits."""

    def write(folder: Path, frame: Gray) -> Path:
        dataset = ultrasound(255 - frame, "PALETTE COLOR")
        entries = np.arange(255, -1, -1)
        data = entries.astype(np.uint8).tobytes() if bits == 8 else (entries * 257).astype("<u2").tobytes()
        for color in ("Red", "Green", "Blue"):
            setattr(dataset, f"{color}PaletteColorLookupTableDescriptor", [256, 0, bits])
            setattr(dataset, f"{color}PaletteColorLookupTableData", data)
        return save(dataset, folder / "frame.dcm")

    return write


def _all_stored(
    name: str, make: Callable[[Callable[[Gray], Stored]], Writer], kinds: tuple[str, ...]
) -> dict[str, Writer]:
    return {f"{name}, {kind}": make(STORED[kind]) for kind in kinds}


ALL = tuple(STORED)
WHOLE = tuple(kind for kind in STORED if kind.startswith("uint"))

WRITERS: dict[str, Writer] = {
    **_all_stored("PNG", lambda change: _picture("png", change), WHOLE),
    "PNG, RGB": _picture("png", _rgb),
    "PNG, RGB with alpha": _picture("png", lambda frame: np.dstack([_rgb(frame), np.full_like(frame, 255)])),
    "PNG, inverted palette": _inverted_palette,
    "BMP": _picture("bmp", STORED["uint8"]),
    "GIF": _picture("gif", STORED["uint8"]),
    **_all_stored("TIFF", lambda change: _picture("tif", change), ALL),
    "TIFF, LZW": _picture("tif", STORED["uint8"], compression="tiff_lzw"),
    "TIFF, deflated": _picture("tif", STORED["uint8"], compression="tiff_adobe_deflate"),
    "TIFF, RGB": _picture("tif", _rgb),
    "TIFF, white is zero, uint8": _tiff_min_is_white(np.uint8),
    "TIFF, white is zero, uint16": _tiff_min_is_white(np.uint16),
    **_all_stored("NIfTI", lambda change: _nifti("nii", change), ALL),
    "NIfTI, compressed": _nifti("nii.gz", STORED["uint8"]),
    "NIfTI, uint16 with slope 1/16": _nifti("nii", STORED["uint16, 12 bits used"], 1 / 16),
    **_all_stored("MetaImage", _metaimage, ALL),
    "MetaImage, compressed": _metaimage(STORED["uint8"], is_compressed=True),
    "MetaImage, two files": _metaimage(STORED["uint8"], is_apart=True),
    **_all_stored("NRRD", lambda change: _nrrd(change, "raw"), ALL),
    "NRRD, compressed": _nrrd(STORED["uint8"], "gzip"),
    "3D Slicer sequence": _sequence("cine.seq.nrrd", SLICER),
    "PLUS sequence": _sequence("cine.igs.mha", PLUS),
    "DICOM, uint8": _dicom(STORED["uint8"]),
    "DICOM, 8 bits stored in 16": _dicom(STORED["uint16, 8 bits used"], bits=8),
    "DICOM, 12 bits stored in 16": _dicom(STORED["uint16, 12 bits used"], bits=12),
    "DICOM, 8 bits used of 16 stored": _dicom(STORED["uint16, 8 bits used"]),
    "DICOM, 16 bits": _dicom(STORED["uint16, all bits used"]),
    "DICOM, implicit VR": _dicom(STORED["uint8"], ImplicitVRLittleEndian),
    "DICOM, deflated": _dicom(STORED["uint8"], DeflatedExplicitVRLittleEndian),
    "DICOM, big endian, 16 bits": _dicom(_swapped, ExplicitVRBigEndian),
    "DICOM, RLE": _dicom(STORED["uint8"], RLELossless),
    "DICOM, RLE, 16 bits": _dicom(STORED["uint16, all bits used"], RLELossless),
    "DICOM, JPEG 2000 lossless": _dicom(STORED["uint8"], JPEG2000Lossless),
    "DICOM, JPEG 2000 lossless, 12 bits in 16": _dicom(STORED["uint16, 12 bits used"], JPEG2000Lossless, 12),
    "DICOM, JPEG-LS": _dicom(STORED["uint8"], JPEGLSLossless),
    "DICOM, JPEG-LS, 16 bits": _dicom(STORED["uint16, all bits used"], JPEGLSLossless),
    "DICOM, MONOCHROME1": _dicom(lambda frame: 255 - frame, PhotometricInterpretation="MONOCHROME1"),
    "DICOM, palette of 8 bits": _dicom_palette(8),
    "DICOM, palette of 16 bits": _dicom_palette(16),
    "DICOM, RGB": _dicom(_rgb),
    "DICOM, RGB by planes": _planar,
    "DICOM, RGB, RLE": _dicom(_rgb, RLELossless),
    "DICOM, RGB, JPEG 2000 lossless": _dicom(_rgb, JPEG2000Lossless),
    "DICOM, YBR_FULL": _dicom(_ybr, PhotometricInterpretation="YBR_FULL"),
    "DICOM, YBR_FULL_422": _ybr_422,
}
