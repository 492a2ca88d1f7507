"""Tests of the NIfTI, MetaImage and NRRD readers: the same frames come back upright from every format."""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from striq.data.readers import open_cine
from striq.errors import ReadError

Writer = Callable[[Path, NDArray[np.uint8]], Path]


def write_with_itk(
    array: NDArray, path: Path, *, compress: bool = False, spacing: tuple[float, ...] = (0.5, 0.25, 1.0)
) -> Path:
    """Write a file with ITK in a separate process, because ITK may crash at exit together with other libraries."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_write_with_itk, array, str(path), compress, spacing[: array.ndim]).result()
    return path


def _write_with_itk(array: NDArray, path: str, compress: bool, spacing: tuple[float, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SWIG classes inside ITK
        import itk

        image = itk.image_from_array(np.ascontiguousarray(array))
        image.SetSpacing(spacing)
        itk.imwrite(image, path, compression=compress)


def write_nifti(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine[0], folder / "frame.nii")


def write_nifti_gz_singleton(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine[:1], folder / "frame.nii.gz")


def write_nifti_named_sequence(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine, folder / "patient0001_4CH_half_sequence.nii.gz")


def write_mhd_singleton(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine[:1], folder / "frame.mhd")


def write_mhd_named_sequence(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine, folder / "patient0001_4CH_sequence.mhd")


def write_mha(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine[0], folder / "frame.mha")


def write_mha_compressed(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine[0], folder / "frame.mha", compress=True)


def write_mhd_big_endian(folder: Path, cine: NDArray[np.uint8]) -> Path:
    height, width = cine[0].shape
    (folder / "frame.raw").write_bytes((cine[0].astype(">u2") * 257).tobytes())
    (folder / "frame.mhd").write_text(
        f"ObjectType = Image\nNDims = 2\nBinaryData = True\nBinaryDataByteOrderMSB = True\nDimSize = {width} {height}\n"
        "ElementType = MET_USHORT\nElementDataFile = frame.raw\n"
    )
    return folder / "frame.mhd"


def write_nrrd(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_with_itk(cine[0], folder / "frame.nrrd")


def write_nrrd_text(path: Path, data: NDArray, fields: str, encoding: str = "raw") -> Path:
    """Write an NRRD file by hand; ``data`` is in C order, slowest axis first."""
    sizes = " ".join(map(str, reversed(data.shape)))
    header = (
        f"NRRD0005\ntype: uint8\ndimension: {data.ndim}\nsizes: {sizes}\nendian: little\nencoding: {encoding}\n{fields}"
    )
    pixels = np.ascontiguousarray(data).tobytes()
    path.write_bytes(f"{header}\n\n".encode() + (gzip.compress(pixels) if encoding == "gzip" else pixels))
    return path


SLICER_LIST_LAST = """space: left-posterior-superior
space directions: (0.5,0,0) (0,0.25,0) (0,0,1) none
kinds: domain domain domain list
labels: "" "" "" "time"
units: "" "" "" "s"
space origin: (0,0,0)
axis 3 index type:=numeric
axis 3 index values:=0.5 0.75 1.25"""
SLICER_LIST_FIRST = """space: right-anterior-superior
space directions: none (-0.5,0,0) (0,-0.25,0) (0,0,1)
kinds: list domain domain domain
labels: "time" "" "" ""
units: "ms" "" "" ""
space origin: (0,0,0)
axis 0 index type:=numeric
axis 0 index values:=500 750 1250"""
SLICER_COLOR = """space: left-posterior-superior
space directions: none (0.5,0,0) (0,0.25,0) (0,0,1) none
kinds: RGB-color domain domain domain list
axis 3 index type:=numeric
axis 3 index values:=0 1 2"""
PLUS_FIELDS = "".join(
    f"Seq_Frame{i:04d}_Timestamp{{0}}{time}\nSeq_Frame{i:04d}_ImageStatus{{0}}OK\n"
    for i, time in enumerate((0.5, 0.75, 1.25))
)


# No public .seq.nrrd was at hand: these three are constructed after Slicer's description of the format.
def write_slicer_list_last(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_nrrd_text(folder / "cine.seq.nrrd", cine[:, None], SLICER_LIST_LAST)


def write_slicer_list_first(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_nrrd_text(folder / "cine.seq.nrrd", np.moveaxis(cine[:, None], 0, -1), SLICER_LIST_FIRST, "gzip")


def write_slicer_color(folder: Path, cine: NDArray[np.uint8]) -> Path:
    colors = np.repeat(cine[:, None, :, :, None], 3, axis=-1)
    return write_nrrd_text(folder / "cine.seq.nrrd", colors, SLICER_COLOR)


def write_plus_nrrd(folder: Path, cine: NDArray[np.uint8]) -> Path:
    fields = f"kinds: domain domain list\nultrasound image orientation:=MFA\n{PLUS_FIELDS.format(':=')}"
    return write_nrrd_text(folder / "cine.igs.nrrd", cine, fields.rstrip("\n"), "gzip")


def write_plus_nrrd_frames_fastest(folder: Path, cine: NDArray[np.uint8]) -> Path:
    fields = f"kinds: list domain domain\nultrasound image orientation:=MF\n{PLUS_FIELDS.format(':=')}"
    return write_nrrd_text(folder / "cine.igs.nrrd", np.moveaxis(cine, 0, -1), fields.rstrip("\n"))


def write_plus_mha(folder: Path, cine: NDArray[np.uint8], orientation: str = "MFA", *, packed: bool = False) -> Path:
    frames, height, width = cine.shape
    header = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {packed}\n"
        f"DimSize = {width} {height} {frames}\nKinds = domain domain list\nElementSpacing = 1 1 1\n"
        f"ElementType = MET_UCHAR\nUltrasoundImageOrientation = {orientation}\n"
        f"{PLUS_FIELDS.format(' = ')}ElementDataFile = LOCAL\n"
    )
    pixels = np.ascontiguousarray(cine).tobytes()
    (folder / "cine.igs.mha").write_bytes(header.encode() + (zlib.compress(pixels) if packed else pixels))
    return folder / "cine.igs.mha"


def write_plus_mha_compressed(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_plus_mha(folder, cine, packed=True)


def write_plus_mha_upside_down(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_plus_mha(folder, cine[:, ::-1], "MN")


def write_plus_mha_mirrored(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_plus_mha(folder, cine[:, :, ::-1], "UFA")


def write_plus_mha_transposed(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_plus_mha(folder, cine.transpose(0, 2, 1), "FM")


def write_plus_mha_turned(folder: Path, cine: NDArray[np.uint8]) -> Path:
    # x runs toward the probe, y to the unmarked side
    return write_plus_mha(folder, cine[:, ::-1, ::-1].transpose(0, 2, 1), "NU")


STILLS = (
    write_nifti,
    write_nifti_gz_singleton,
    write_mhd_singleton,
    write_mhd_big_endian,
    write_mha,
    write_mha_compressed,
    write_nrrd,
)
CINES = (
    write_nifti_named_sequence,
    write_mhd_named_sequence,
    write_slicer_list_last,
    write_slicer_list_first,
    write_slicer_color,
    write_plus_nrrd,
    write_plus_nrrd_frames_fastest,
    write_plus_mha,
    write_plus_mha_compressed,
    write_plus_mha_upside_down,
    write_plus_mha_mirrored,
    write_plus_mha_transposed,
    write_plus_mha_turned,
)


@pytest.mark.parametrize("write", STILLS)
def test_still_comes_back_as_it_was(write: Writer, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    cine = open_cine(write(tmp_path, stored_cine))
    assert len(cine) == 1
    np.testing.assert_allclose(cine[0].pixels, stored_cine[0] / 255, atol=1e-6)


@pytest.mark.parametrize("write", CINES)
def test_every_frame_of_a_cine_comes_back_as_it_was(
    write: Writer, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    cine = open_cine(write(tmp_path, stored_cine))
    read = np.stack([frame.pixels for frame in cine])
    np.testing.assert_allclose(read, stored_cine / 255, atol=1e-6)


@pytest.mark.parametrize("write", [write_mhd_singleton, write_nifti, write_nrrd, write_slicer_list_last])
def test_spacing_is_rows_then_columns(write: Writer, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    # The writers put 0.5 mm along a row (between columns) and 0.25 mm between rows.
    assert open_cine(write(tmp_path, stored_cine))[0].spacing_mm == pytest.approx((0.25, 0.5))


@pytest.mark.parametrize("write", [write_slicer_list_last, write_slicer_list_first, write_plus_mha, write_plus_nrrd])
def test_times_are_the_recorded_seconds_since_the_first_frame(
    write: Writer, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    times = [frame.time_s for frame in open_cine(write(tmp_path, stored_cine))]
    assert times == pytest.approx([0.0, 0.25, 0.75])


def test_index_that_is_not_time_gives_no_times(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    fields = SLICER_LIST_LAST.replace('"s"', '"mm"')
    path = write_nrrd_text(tmp_path / "sweep.seq.nrrd", stored_cine[:, None], fields)
    assert open_cine(path)[1].time_s is None


def test_fourth_nifti_axis_is_time(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    write_with_itk(stored_cine[:, None], tmp_path / "cine.nii", spacing=(0.5, 0.25, 1.0, 0.04))
    cine = open_cine(tmp_path / "cine.nii")
    np.testing.assert_allclose(cine[2].pixels, stored_cine[2] / 255, atol=1e-6)
    assert cine.times_s == pytest.approx([0.0, 0.04, 0.08])


def test_named_frame_axis_turns_a_volume_into_a_cine(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = write_with_itk(stored_cine, tmp_path / "sweep.nii.gz")
    np.testing.assert_allclose(open_cine(path, frame_axis=2)[1].pixels, stored_cine[1] / 255, atol=1e-6)


def test_signed_values_are_stretched_from_minimum_to_maximum(tmp_path: Path) -> None:
    decibel = np.linspace(-60, 0, 20, dtype=np.float32).reshape(4, 5)
    path = write_with_itk(decibel, tmp_path / "frame.mha")
    np.testing.assert_allclose(open_cine(path)[0].pixels, (decibel + 60) / 60, atol=1e-6)


def test_float_color_in_range_is_not_stretched(tmp_path: Path) -> None:
    white_and_gray = np.full((4, 5, 3), 0.4, np.float32)
    white_and_gray[1, 2] = 1.0
    pixels = b"".join(
        [
            b"ObjectType = Image\nNDims = 2\nBinaryData = True\nDimSize = 5 4\n"
            b"ElementNumberOfChannels = 3\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n",
            white_and_gray.tobytes(),
        ]
    )
    (tmp_path / "frame.mha").write_bytes(pixels)
    np.testing.assert_allclose(open_cine(tmp_path / "frame.mha")[0].pixels, white_and_gray[..., 0], atol=1e-6)


def test_nifti_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    stored = np.arange(20, dtype=np.int16).reshape(4, 5)
    path = write_with_itk(stored, tmp_path / "frame.nii")
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([0.02, 0.1], "<f4").tobytes()  # scl_slope, scl_inter: the values lie in [0, 1] now
    path.write_bytes(content)
    np.testing.assert_allclose(open_cine(path)[0].pixels, stored * 0.02 + 0.1, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 40, 56), (40, 1, 56), (40, 56, 1), (1, 1, 40, 56)], ids=str)
@pytest.mark.parametrize("suffix", [".nii", ".mha", ".nrrd"])
def test_single_slice_is_a_frame_wherever_its_axis_of_size_one_is(
    shape: tuple[int, ...], suffix: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    path = write_single_slice(tmp_path / f"slice{suffix}", stored_cine[0].reshape(shape))
    cine = open_cine(path)
    assert len(cine) == 1
    np.testing.assert_allclose(cine[0].pixels, stored_cine[0] / 255, atol=1e-6)


def write_single_slice(path: Path, array: NDArray[np.uint8]) -> Path:
    sizes = " ".join(map(str, reversed(array.shape)))
    if path.suffix == ".nii":
        nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4)), path)
    elif path.suffix == ".nrrd":
        write_nrrd_text(path, array, "comment:=single slice")
    else:
        header = f"ObjectType = Image\nNDims = {array.ndim}\nDimSize = {sizes}\nElementType = MET_UCHAR\n"
        path.write_bytes(f"{header}ElementDataFile = LOCAL\n".encode() + array.tobytes())
    return path


META_VOLUME = (
    "ObjectType = Image\nNDims = 3\nAnatomicalOrientation = RAI\nElementSpacing = 0.5 0.5 0.5\nDimSize = 56 40 3\n"
    "Kinds = domain domain list\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
)
NRRD_VOLUME = (
    "kinds: domain domain list\nspace: left-posterior-superior\nspace directions: (0.5,0,0) (0,0.5,0) (0,0,0.5)"
)


@pytest.mark.parametrize("name", ["volume.mha", "volume.nrrd"])
def test_volume_whose_last_axis_is_called_a_list_is_refused(
    name: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    if name.endswith(".mha"):
        (tmp_path / name).write_bytes(META_VOLUME.encode() + stored_cine.tobytes())
    else:
        write_nrrd_text(tmp_path / name, stored_cine, NRRD_VOLUME)
    with pytest.raises(ReadError, match="The file is a 3-D volume"):
        open_cine(tmp_path / name)
    assert len(open_cine(tmp_path / name, frame_axis=2)) == 3


@pytest.mark.parametrize("image_type", ["RF_REAL", "RF_IQ_LINE", "RF_I_LINE_Q_LINE"])
def test_radio_frequency_data_is_refused(image_type: str, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    meta = write_plus_mha(tmp_path, stored_cine)
    meta.write_bytes(b"UltrasoundImageType = " + image_type.encode() + b"\n" + meta.read_bytes())
    fields = f"kinds: domain domain list\nultrasound image type:={image_type}\n{PLUS_FIELDS.format(':=')}"
    for path in (meta, write_nrrd_text(tmp_path / "cine.igs.nrrd", stored_cine, fields.rstrip("\n"))):
        with pytest.raises(ReadError, match=f"radio-frequency data.*got {image_type}"):
            open_cine(path)


def test_malformed_spacing_and_times_are_unknown_and_named(
    tmp_path: Path, stored_cine: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    sequence = write_plus_mha(tmp_path, stored_cine)
    sequence.write_bytes(sequence.read_bytes().replace(b"= 0.75", b"= 0,75"))
    assert open_cine(sequence).times_s is None
    assert "Seq_Frame0001_Timestamp is '0,75'" in caplog.text
    still = write_single_slice(tmp_path / "still.mha", stored_cine[0])
    still.write_bytes(still.read_bytes().replace(b"NDims", b"ElementSpacing = 0,5 0,5\nNDims"))
    assert open_cine(still)[0].spacing_mm is None
    assert "ElementSpacing is '0,5 0,5'" in caplog.text
    slicer = write_nrrd_text(tmp_path / "c.seq.nrrd", stored_cine[:, None], SLICER_LIST_LAST.replace("0.75", "0,75"))
    assert open_cine(slicer).times_s is None
    nifti = write_single_slice(tmp_path / "still.nii", stored_cine[0])
    content = bytearray(nifti.read_bytes())
    content[123] = 0xFF  # xyzt_units
    nifti.write_bytes(content)
    np.testing.assert_allclose(open_cine(nifti)[0].pixels, stored_cine[0] / 255, atol=1e-6)


@pytest.mark.parametrize("kind", ["two channels", "negative colors", "complex"])
def test_vectors_and_complex_numbers_are_no_frames(kind: str, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    frame = stored_cine[0].astype(np.float32)
    path = tmp_path / ("frame.nii" if kind == "complex" else "frame.mha")
    if kind == "complex":
        nibabel.save(nibabel.Nifti1Image((frame.T + 1j * frame.T[::-1]).astype(np.complex64), np.eye(4)), path)
    else:
        channels = np.repeat(frame[..., None], 2 if kind == "two channels" else 3, axis=-1)
        values = channels - (100 if kind == "negative colors" else 0)
        height, width = frame.shape
        header = (
            f"ObjectType = Image\nNDims = 2\nBinaryData = True\nDimSize = {width} {height}\n"
            f"ElementNumberOfChannels = {channels.shape[-1]}\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
        )
        path.write_bytes(header.encode() + values.astype("<f4").tobytes())
    with pytest.raises(ReadError, match="neither gray nor color"):
        _ = open_cine(path)[0]
