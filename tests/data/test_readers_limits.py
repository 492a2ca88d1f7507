"""Tests of what a file may ask for: neither its header nor its compressed data can exhaust memory or time."""

from __future__ import annotations

import bz2
import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striq.data.readers import limits, open_cine, pixel_bytes
from striq.errors import ReadError
from tests.data.test_readers_refusals import write_dicom, write_meta

CINE = np.random.default_rng(0).integers(0, 256, (5, 40, 48), dtype=np.uint8)
MB = 2**20


def write_nrrd(path: Path, data: bytes, sizes: str = "48 40 5", **fields: str) -> Path:
    known = {
        "type": "uint8",
        "dimension": str(len(sizes.split())),
        "sizes": sizes,
        "kinds": "domain domain time",
        **fields,
    }
    text = "".join(f"{key.replace('_', ' ')}: {value}\n" for key, value in known.items() if value)
    path.write_bytes(f"NRRD0004\n{text}\n".encode() + data)
    return path


def nifti(
    *sizes: int,
    data: bytes,
    slope: float = 0.0,
    intercept: float = 0.0,
    offset: float = 352,
    datatype: tuple[int, int] = (2, 8),
) -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(sizes), *sizes, *[1] * (7 - len(sizes)))
    struct.pack_into("<hh", header, 70, *datatype)
    struct.pack_into("<3f", header, 108, offset, slope, intercept)
    header[344:348] = b"n+1\0"
    return bytes(header) + data


def nifti2(*sizes: int, data: bytes = bytes(64)) -> bytes:
    header = bytearray(544)
    struct.pack_into("<i8s", header, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into("<hh8q", header, 12, 2, 8, len(sizes), *sizes, *[1] * (7 - len(sizes)))
    struct.pack_into("<q", header, 168, 544)
    struct.pack_into("<d", header, 136, 40.0)
    struct.pack_into("<i", header, 500, 2 + 16)
    return bytes(header) + data


def peak_mb(action: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def assert_refused(path: Path, match: str | None = None) -> None:
    """Reading must raise ``ReadError`` with one line, within a few megabytes."""

    def read() -> None:
        with pytest.raises(ReadError, match=match) as caught:
            _ = open_cine(path)[0]
        assert "\n" not in str(caught.value)

    assert peak_mb(read) < 40


def read_or_refuse(path: Path) -> None:
    with suppress(ReadError):
        _ = open_cine(path)[0]


def test_every_encoding_of_a_nrrd_gives_the_same_frames(tmp_path: Path) -> None:
    raw = CINE.tobytes()
    text = " ".join(map(str, CINE.reshape(-1))).encode()
    files = [
        write_nrrd(tmp_path / "raw.nrrd", raw, encoding="raw"),
        write_nrrd(tmp_path / "raw_end.nrrd", b"junk" + raw, encoding="raw", byte_skip="-1"),
        write_nrrd(tmp_path / "raw_skip.nrrd", b"a\nb\n123" + raw, encoding="raw", byte_skip="3", line_skip="2"),
        write_nrrd(tmp_path / "gz.nrrd", gzip.compress(raw), encoding="gzip"),
        write_nrrd(
            tmp_path / "gz_skip.nrrd", b"x\n" + gzip.compress(b"1" + raw), encoding="gz", line_skip="1", byte_skip="1"
        ),
        write_nrrd(tmp_path / "bz2.nrrd", bz2.compress(raw), encoding="bzip2"),
        write_nrrd(tmp_path / "text.nrrd", text, encoding="ascii"),
    ]
    for path in files:
        cine = open_cine(path)
        np.testing.assert_allclose(np.stack([frame.pixels for frame in cine]), CINE / 255, atol=1e-6, err_msg=path.name)


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
def test_no_more_is_decoded_than_the_header_needs(encoding: str, tmp_path: Path) -> None:
    data = CINE.tobytes() + bytes(300 * MB)
    packed = gzip.compress(data, 1) if encoding == "gzip" else bz2.compress(data, 1)
    path = write_nrrd(tmp_path / "bomb.nrrd", packed, encoding=encoding)
    assert peak_mb(lambda: assert_refused(path, "sizes in the header do not fit the pixel data")) < 20


def test_header_that_asks_for_more_than_compressed_data_can_hold_is_refused(tmp_path: Path) -> None:
    sizes = "1024 1024 4096"
    match = "header does not fit the compressed data"
    assert_refused(write_nrrd(tmp_path / "a.nrrd", gzip.compress(bytes(MB)), sizes, encoding="gzip"), match)
    assert_refused(write_nrrd(tmp_path / "b.nrrd", bz2.compress(bytes(MB)), sizes, encoding="bzip2"), match)
    fields = {"NDims": "3", "CompressedData": "True", "Kinds": "domain domain list"}
    assert_refused(write_meta(tmp_path / "c.mha", zlib.compress(bytes(MB)), DimSize=sizes, **fields), match)
    (tmp_path / "d.nii.gz").write_bytes(gzip.compress(nifti(1024, 1024, 1, 4096, data=bytes(MB))))
    assert_refused(tmp_path / "d.nii.gz", match)
    (tmp_path / "e.nii.gz").write_bytes(gzip.compress(nifti(8, 8, data=bytes(64), offset=3e9)))
    assert_refused(tmp_path / "e.nii.gz", match)


def test_sizes_beyond_any_integer_are_refused(tmp_path: Path) -> None:
    sizes = "4294967296 4294967296 16"
    assert_refused(write_nrrd(tmp_path / "a.nrrd", b"x", sizes, encoding="raw"))
    assert_refused(write_nrrd(tmp_path / "b.nrrd", b"x", "9" * 40 + " 4", encoding="raw", kinds=""))
    for number, size in enumerate(("4294967296 4294967296 16", "1e300 4", "-5 4", "nan 4")):
        assert_refused(write_meta(tmp_path / f"{number}.mha", DimSize=size, NDims=str(len(size.split()))))
        compressed = {"DimSize": size, "NDims": str(len(size.split())), "CompressedData": "True"}
        assert_refused(write_meta(tmp_path / f"{number}z.mha", zlib.compress(b"x"), **compressed))


def test_number_of_frames_beyond_the_file_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(nifti2(8, 8, 1, 2**62))
    assert_refused(tmp_path / "a.nii", "truncated")
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(nifti2(1, 1, 1, 2**62)))
    assert_refused(tmp_path / "b.nii.gz")
    path = write_dicom(tmp_path / "c.dcm", np.eye(32, dtype=np.uint8), NumberOfFrames=2**31 - 1, FrameTime=33.0)
    assert peak_mb(lambda: read_or_refuse(path)) < 40


def test_long_extension_of_a_nifti_header_is_refused(tmp_path: Path) -> None:
    content = bytearray(nifti(8, 8, data=bytes(64), offset=2e9))
    content[348] = 1
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(content) + struct.pack("<ii", 1999999984, 6) + bytes(MB)))
    assert_refused(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("skip", ["999999999999", "-3", "x"])
def test_line_skip_beyond_the_file_is_refused_at_once(skip: str, tmp_path: Path) -> None:
    assert_refused(write_nrrd(tmp_path / "a.nrrd", CINE.tobytes(), encoding="raw", line_skip=skip))
    assert_refused(write_nrrd(tmp_path / "b.nrrd", gzip.compress(CINE.tobytes()), encoding="gzip", line_skip=skip))


@pytest.mark.parametrize("skip", ["999999999999", "-3", "-1"])
def test_byte_skip_beyond_compressed_data_is_refused(skip: str, tmp_path: Path) -> None:
    assert_refused(write_nrrd(tmp_path / "a.nrrd", gzip.compress(CINE.tobytes()), encoding="gzip", byte_skip=skip))


def test_kinds_that_do_not_fit_the_sizes_do_no_harm(tmp_path: Path) -> None:
    sizes = {"sizes": "48 40", "kinds": "domain domain list"}
    read_or_refuse(write_nrrd(tmp_path / "a.nrrd", CINE[0].tobytes(), **sizes, encoding="raw"))
    read_or_refuse(write_meta(tmp_path / "b.mha", Kinds="domain domain list"))


def test_frame_of_too_many_pixels_is_refused_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FRAME_PIXELS", 1000)
    picture = np.arange(40 * 48, dtype=np.uint8).reshape(40, 48)
    files = [
        write_nrrd(tmp_path / "a.nrrd", CINE.tobytes(), encoding="raw"),
        write_meta(tmp_path / "b.mha", picture.tobytes(), DimSize="48 40"),
        write_dicom(tmp_path / "c.dcm", picture),
        tmp_path / "d.png",
        tmp_path / "e.tif",
        tmp_path / "f.nii",
    ]
    Image.fromarray(picture).save(tmp_path / "d.png")
    Image.fromarray(picture).save(tmp_path / "e.tif")
    (tmp_path / "f.nii").write_bytes(nifti(48, 40, data=picture.tobytes()))
    for path in files:
        assert_refused(path, "frames are too large")


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    assert_refused(write_meta(tmp_path / "a.mha", bytes(2400), ElementNumberOfChannels="100"), "100")


def test_large_compressed_cine_is_kept_in_a_file_and_reads_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_bytes, "IN_MEMORY_BYTES", 100)
    cine = open_cine(write_nrrd(tmp_path / "a.nrrd", gzip.compress(CINE.tobytes()), encoding="gzip"))
    for index in (4, 0, 2):
        np.testing.assert_allclose(cine[index].pixels, CINE[index] / 255, atol=1e-6)


def test_damaged_compressed_cine_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", gzip.compress(CINE.tobytes())[:-400], encoding="gzip")
    opened: list[int] = []
    decode = pixel_bytes._decode
    monkeypatch.setattr(pixel_bytes, "_decode", lambda *given: opened.append(1) or decode(*given))
    cine = open_cine(path)
    for index in range(5):
        with pytest.raises(ReadError):
            _ = cine[index]
    assert len(opened) == 1


def scaled_cine(path: Path, frames: NDArray[np.uint8], slope: float, intercept: float) -> Path:
    data = frames.astype("<i2").tobytes()  # the scale of bytes does not matter
    content = nifti(48, 40, 1, len(frames), data=data, slope=slope, intercept=intercept, datatype=(4, 16))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_scaled_nifti_is_scaled_one_frame_at_a_time(name: str, tmp_path: Path) -> None:
    frames = np.tile(CINE, (200, 1, 1))
    cine = open_cine(scaled_cine(tmp_path / name, frames, 0.5, -3.0))
    _ = cine[0]
    assert peak_mb(lambda: cine[999]) < 1  # all frames as float32 are 7 MB
    values = CINE[4] * 0.5 - 3.0
    low, high = values.min(), values.max()
    np.testing.assert_allclose(cine[999].pixels, (values - low) / (high - low), atol=1e-6)


@pytest.mark.parametrize("error", [RecursionError, MemoryError, ZeroDivisionError, AssertionError, BufferError])
def test_any_exception_of_a_reader_is_a_read_error(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(CINE[0]).save(tmp_path / "a.png")
    cine = open_cine(tmp_path / "a.png")

    def fail(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr("striq.data.readers.images._pixels", fail)
    with pytest.raises(ReadError, match=rf"a\.png, frame 0: The file cannot be read.*got {error.__name__}"):
        _ = cine[0]
    monkeypatch.setattr("PIL.Image.open", fail)
    with pytest.raises(ReadError, match=rf"a\.png: The file cannot be read.*got {error.__name__}"):
        open_cine(tmp_path / "a.png")


def test_an_interruption_is_no_read_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(CINE[0]).save(tmp_path / "a.png")

    def interrupt(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("PIL.Image.open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        open_cine(tmp_path / "a.png")
