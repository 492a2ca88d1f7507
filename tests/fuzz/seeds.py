"""Small good files of every format, from which damaged ones are made."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import compress, set_pixel_data
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

NUM_FRAMES, HEIGHT, WIDTH = 3, 48, 64


def frames() -> np.ndarray:
    """Return a short cine of a bright disc on noise, shape ``(N, H, W)``, 8 bits."""
    noise = np.random.default_rng(0).integers(1, 90, (NUM_FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for index in range(NUM_FRAMES):
        noise[index][(rows - 24) ** 2 + (columns - 28 - 4 * index) ** 2 < 150] += 140
    return noise


def write_seeds(folder: Path) -> list[Path]:
    """Write the files into a folder and return their paths, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_dicom(folder)
    _write_images(folder)
    _write_nrrd(folder)
    _write_metaimage(folder)
    _write_nifti(folder)
    return sorted(path for path in folder.iterdir() if path.suffix != ".raw")


def _dataset(pixels: np.ndarray, photometric: str = "MONOCHROME2") -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.3"
    dataset.PatientName, dataset.FrameTime = "Nobody", 33.3
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = WIDTH - 1, HEIGHT - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    dataset.SequenceOfUltrasoundRegions = DicomSequence([region])
    set_pixel_data(dataset, pixels, photometric, 8)
    return dataset


def _write_dicom(folder: Path) -> None:
    gray = frames()
    color = np.stack([gray, gray // 2, gray // 3], axis=-1)
    _dataset(gray).save_as(folder / "explicit.dcm", enforce_file_format=True)
    _dataset(color, "RGB").save_as(folder / "rgb.dcm", enforce_file_format=True)
    for name, syntax in (("implicit", ImplicitVRLittleEndian), ("deflated", DeflatedExplicitVRLittleEndian)):
        dataset = _dataset(gray)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    big = _dataset(gray)
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    big.save_as(folder / "big_endian.dcm", enforce_file_format=True, little_endian=False, implicit_vr=False)
    for name, syntax in (("rle", RLELossless), ("j2k", JPEG2000Lossless), ("jpegls", JPEGLSLossless)):
        dataset = _dataset(gray)
        compress(dataset, syntax, generate_instance_uid=False)
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    jpeg = _dataset(gray)
    jpeg.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    jpeg.PixelData = encapsulate([_jpeg(frame) for frame in gray])
    jpeg["PixelData"].VR = "OB"
    jpeg["PixelData"].is_undefined_length = True
    jpeg.save_as(folder / "jpeg.dcm", enforce_file_format=True)
    content = (folder / "implicit.dcm").read_bytes()
    (folder / "no_preamble.dcm").write_bytes(content[content.index(b"\x08\0\x16\0") :])


def _jpeg(frame: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _write_images(folder: Path) -> None:
    pages = [Image.fromarray(frame) for frame in frames()]
    for suffix in ("png", "jpg", "bmp", "gif"):
        pages[0].save(folder / f"still.{suffix}")
    pages[0].convert("P").save(folder / "palette.png")
    Image.fromarray(frames()[0].astype(np.uint16) * 256).save(folder / "deep.png")
    for name, compression in (("plain", None), ("lzw", "tiff_lzw"), ("deflate", "tiff_adobe_deflate")):
        pages[0].save(folder / f"{name}.tif", save_all=True, append_images=pages[1:], compression=compression)
    pages[0].save(folder / "moving.gif", save_all=True, append_images=pages[1:])


def _write_nrrd(folder: Path) -> None:
    raw = frames().tobytes()
    text = (
        f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {WIDTH} {HEIGHT} {NUM_FRAMES}\nkinds: domain domain time\n"
        "spacings: 0.2 0.2 nan\naxis 0 index values:=0 1 2\n"
    )
    numbers = " ".join(map(str, frames().reshape(-1))).encode()
    packed = {"raw": raw, "gzip": gzip.compress(raw), "bzip2": bz2.compress(raw), "ascii": numbers}
    for encoding, data in packed.items():
        (folder / f"{encoding}.seq.nrrd").write_bytes(f"{text}encoding: {encoding}\n\n".encode() + data)
    skipped = f"{text}encoding: gzip\nline skip: 1\nbyte skip: 2\n\nline\n".encode()
    (folder / "skip.seq.nrrd").write_bytes(skipped + gzip.compress(b"xx" + raw))


def _write_metaimage(folder: Path) -> None:
    raw = frames().tobytes()
    text = (
        f"ObjectType = Image\nNDims = 3\nDimSize = {WIDTH} {HEIGHT} {NUM_FRAMES}\nElementType = MET_UCHAR\n"
        "Kinds = domain domain list\nElementSpacing = 0.2 0.2 1\nUltrasoundImageOrientation = MF\n"
        "Seq_Frame0000_Timestamp = 0.1\nSeq_Frame0001_Timestamp = 0.2\nSeq_Frame0002_Timestamp = 0.3\n"
    )
    (folder / "raw.mha").write_bytes(f"{text}ElementDataFile = LOCAL\n".encode() + raw)
    packed = f"{text}CompressedData = True\nElementDataFile = LOCAL\n".encode()
    (folder / "zlib.mha").write_bytes(packed + zlib.compress(raw))
    (folder / "apart.raw").write_bytes(raw)
    (folder / "apart.mhd").write_text(f"{text}ElementDataFile = apart.raw\n")


def _write_nifti(folder: Path) -> None:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4, WIDTH, HEIGHT, 1, NUM_FRAMES, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, 0.2, 0.2, 1, 40, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352, 0.5, 3)
    header[123] = 2 + 16
    header[344:348] = b"n+1\0"
    (folder / "cine.nii").write_bytes(bytes(header) + frames().tobytes())
    (folder / "cine.nii.gz").write_bytes(gzip.compress(bytes(header) + frames().tobytes()))
    struct.pack_into("<8h", header, 40, 2, WIDTH, HEIGHT, 1, 1, 1, 1, 1)
    (folder / "still.nii.gz").write_bytes(gzip.compress(bytes(header) + frames()[0].tobytes()))
