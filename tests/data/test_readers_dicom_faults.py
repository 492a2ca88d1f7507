"""Tests of DICOM files that contradict themselves or lack something: right pixels, or one clear complaint."""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import fragment_frame, get_frame, itemize_fragment
from pydicom.pixels import compress
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from striq.data.cine import Cine
from striq.data.readers import dicom_file, open_cine
from striq.errors import ReadError
from tests.dicom_writer import save, set_codestreams, ultrasound

EXPLICIT, IMPLICIT = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0"
META_LENGTH = b"\x02\0\0\0UL\x04\0"
COMPRESSED = (JPEG2000Lossless, JPEGLSLossless, RLELossless)


def state_syntax(path: Path, stated: bytes) -> Path:
    """Replace the transfer syntax in the meta header, and nothing else."""
    content = path.read_bytes()
    old = EXPLICIT if EXPLICIT in content else IMPLICIT
    place = content.index(old)
    content = content[: place - 2] + len(stated).to_bytes(2, "little") + stated + content[place + len(old) :]
    place = content.index(META_LENGTH) + len(META_LENGTH)
    length = int.from_bytes(content[place : place + 4], "little") + len(stated) - len(old)
    path.write_bytes(content[:place] + length.to_bytes(4, "little") + content[place + 4 :])
    return path


def assert_reads(path: Path, stored: NDArray[np.uint8]) -> Cine:
    cine = open_cine(path)
    np.testing.assert_allclose(np.stack([frame.pixels for frame in cine]), stored / 255, atol=1e-6)
    return cine


# --- transfer syntax and meta header ---


def test_explicit_body_under_an_implicit_meta_header(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    assert_reads(state_syntax(save(ultrasound(stored_cine), tmp_path / "c.dcm"), IMPLICIT), stored_cine)


def test_implicit_body_under_an_explicit_meta_header(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = save(ultrasound(stored_cine, syntax=ImplicitVRLittleEndian), tmp_path / "c.dcm")
    assert_reads(state_syntax(path, EXPLICIT), stored_cine)


def test_deflated_file(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    assert_reads(save(ultrasound(stored_cine, syntax=DeflatedExplicitVRLittleEndian), tmp_path / "c.dcm"), stored_cine)


def test_damaged_deflated_file_is_refused(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = save(ultrasound(stored_cine, syntax=DeflatedExplicitVRLittleEndian), tmp_path / "c.dcm")
    content = path.read_bytes()
    path.write_bytes(content[:400] + bytes(40) + content[440:])
    with pytest.raises(ReadError, match=r"c\.dcm"):
        _ = open_cine(path)[0]


def test_deflated_file_that_becomes_too_large_is_refused(
    tmp_path: Path, stored_cine: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(ultrasound(stored_cine, syntax=DeflatedExplicitVRLittleEndian), tmp_path / "c.dcm")
    monkeypatch.setattr(dicom_file, "MAX_INFLATED", 1000)
    with pytest.raises(ReadError, match="a deflated data set of at least 1000 bytes"):
        open_cine(path)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("keep", [0, 132], ids=["bare", "preamble"])
@pytest.mark.parametrize("name", ["c.dcm", "IM_0002"])
def test_file_without_meta_header(
    syntax: str, keep: int, name: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    path = save(ultrasound(stored_cine, syntax=syntax), tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[:keep] + content[content.index(b"\x08\0\x16\0") :])
    assert_reads(path, stored_cine)


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_compressed_frames_under_an_uncompressed_syntax(
    syntax: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(stored_cine)
    compress(dataset, syntax, generate_instance_uid=False)
    path = save(dataset, tmp_path / "c.dcm")
    content, stated = path.read_bytes(), syntax.encode() + b"\0" * (len(syntax) % 2)
    assert content.count(stated) == 1
    path.write_bytes(content.replace(stated, EXPLICIT.ljust(len(stated), b"\0")))
    assert_reads(path, stored_cine)


# --- number of frames ---


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *COMPRESSED])
@pytest.mark.parametrize("declared", [None, 1, 2])
def test_too_small_number_of_frames(
    declared: int | None, syntax: str, tmp_path: Path, stored_cine: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ultrasound(stored_cine)
    if syntax in COMPRESSED:
        compress(dataset, syntax, generate_instance_uid=False)
    del dataset.NumberOfFrames
    if declared is not None:
        dataset.NumberOfFrames = declared
    assert_reads(save(dataset, tmp_path / "c.dcm"), stored_cine)
    assert ("the pixel data holds 3" in caplog.text) == (declared is not None)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *COMPRESSED])
@pytest.mark.parametrize("declared", [4, 70, 2**31 - 1])
def test_too_large_number_of_frames_is_one_complaint(
    declared: int, syntax: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(stored_cine)
    if syntax in COMPRESSED:
        compress(dataset, syntax, generate_instance_uid=False)
    dataset.NumberOfFrames, dataset.FrameTime = declared, 40
    cine = open_cine(save(dataset, tmp_path / "c.dcm"))
    assert len(cine) == 4
    np.testing.assert_allclose(cine[2].pixels, stored_cine[2] / 255, atol=1e-6)
    with pytest.raises(ReadError, match=f"only 3 complete frames of {declared} declared"):
        _ = cine[3]


def test_frames_in_several_fragments_without_number_and_offsets(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(stored_cine)
    compress(dataset, JPEG2000Lossless, generate_instance_uid=False)
    codestreams = [codestream_of(frame) for frame in stored_cine]
    items = [itemize_fragment(part) for stream in codestreams for part in fragment_frame(stream, 3)]
    dataset.PixelData = itemize_fragment(b"") + b"".join(items)
    del dataset.NumberOfFrames
    assert_reads(save(dataset, tmp_path / "c.dcm"), stored_cine)


def codestream_of(frame: NDArray[np.uint8]) -> bytes:
    """Return the JPEG 2000 codestream of a frame."""
    dataset = ultrasound(frame)
    compress(dataset, JPEG2000Lossless, generate_instance_uid=False)
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def test_file_cut_off_within_a_frame_keeps_the_complete_ones(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = save(ultrasound(stored_cine), tmp_path / "c.dcm")
    path.write_bytes(path.read_bytes()[:-1000])
    cine = open_cine(path)
    np.testing.assert_allclose(cine[1].pixels, stored_cine[1] / 255, atol=1e-6)
    with pytest.raises(ReadError, match="only 2 complete frames of 3 declared"):
        _ = cine[2]


# --- optional values ---


def test_malformed_optional_values_are_unknown_and_named(
    tmp_path: Path, stored_cine: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ultrasound(stored_cine)
    dataset.FrameTime, dataset.PixelSpacing, dataset.CineRate = "33.33", ["0.25", "0.25"], "30"
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = None, 30
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    path = save(dataset, tmp_path / "c.dcm")
    for good, bad in ((b"33.33 ", b"33,33 "), (b"0.25\\0.25", b"0,25\\0,25"), (b"IS\x02\x0030", b"IS\x02\x003x")):
        assert good in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(good, bad))
    cine = assert_reads(path, stored_cine)
    assert cine.times_s is None
    assert cine.spacing_mm is None
    assert cine.crop is None
    for keyword in ("FrameTime", "PixelSpacing", "CineRate"):
        assert sum(keyword in record.message for record in caplog.records if record.levelno == logging.WARNING) == 1


@pytest.mark.parametrize(
    ("pointer", "expected"), [(0x00181065, [0.0, 0.04, 0.12]), (0x00181063, [0.0, 0.0333, 0.0666]), (None, None)]
)
def test_frame_increment_pointer_names_the_times(
    pointer: int | None, expected: list[float] | None, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(stored_cine)
    dataset.FrameTime, dataset.FrameTimeVector = "33.3", ["0", "40", "80"]
    if pointer is not None:
        dataset.FrameIncrementPointer = Tag(pointer)
    times = open_cine(save(dataset, tmp_path / "c.dcm")).times_s
    assert times == pytest.approx(expected or [0.0, 0.0333, 0.0666])


def test_time_vector_that_is_too_short_gives_no_times(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(stored_cine)
    dataset.FrameTimeVector, dataset.FrameIncrementPointer = ["0", "40"], Tag(0x00181065)
    assert open_cine(save(dataset, tmp_path / "c.dcm")).times_s is None


# --- bits and palettes ---


@pytest.mark.parametrize("overlay", [0, 1])
@pytest.mark.parametrize(("stored_bits", "high_bit"), [(8, 7), (8, 15), (8, 11), (12, 11), (12, 15), (10, 12)])
def test_only_the_stored_bits_count(
    stored_bits: int, high_bit: int, overlay: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    values = np.round(stored_cine * ((2**stored_bits - 1) / 255)).astype(np.uint16)
    shift = high_bit + 1 - stored_bits
    others = ~np.uint16((2**stored_bits - 1) << shift) * np.uint16(overlay)
    checkered = (np.indices(values.shape).sum(0) % 2).astype(np.uint16)
    dataset = ultrasound((values << shift) | (others * checkered))
    dataset.BitsStored, dataset.HighBit = stored_bits, high_bit
    cine = open_cine(save(dataset, tmp_path / "c.dcm"))
    np.testing.assert_allclose(cine[1].pixels, values[1] / (2**stored_bits - 1), atol=1e-6)


@pytest.mark.parametrize("high_bit", [12, 15])
def test_high_bit_that_the_values_contradict_is_not_used(
    high_bit: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    values = np.round(stored_cine * (4095 / 255)).astype(np.uint16)
    dataset = ultrasound(values)
    dataset.BitsStored, dataset.HighBit = 12, high_bit
    np.testing.assert_allclose(open_cine(save(dataset, tmp_path / "c.dcm"))[0].pixels, values[0] / 4095, atol=1e-6)


def palette_file(path: Path, frame: NDArray[np.uint8], bits: int, entries: bytes, syntax: str) -> Path:
    dataset = ultrasound(frame, "PALETTE COLOR", syntax)
    for color in ("Red", "Green", "Blue"):
        setattr(dataset, f"{color}PaletteColorLookupTableDescriptor", [256, 0, bits])
        setattr(dataset, f"{color}PaletteColorLookupTableData", entries)
    return save(dataset, path)


RAMP = np.arange(256)[::-1]


@pytest.mark.parametrize(
    ("bits", "entries", "syntax"),
    [
        (16, (RAMP * 257).astype("<u2"), ExplicitVRLittleEndian),
        (16, (RAMP * 256).astype("<u2"), ExplicitVRLittleEndian),
        (16, RAMP.astype("<u2"), ExplicitVRLittleEndian),  # 8-bit entries in 16-bit words
        (8, RAMP.astype("<u2"), ExplicitVRLittleEndian),  # padded to words
        (8, RAMP.astype("u1"), ExplicitVRLittleEndian),
        (16, (RAMP * 257).astype(">u2"), ExplicitVRBigEndian),
        (16, (RAMP * 256).astype(">u2"), ExplicitVRBigEndian),
        (16, RAMP.astype(">u2"), ExplicitVRBigEndian),
        (8, RAMP.astype("u1").reshape(-1, 2)[:, ::-1], ExplicitVRBigEndian),  # two entries in a word
    ],
)
def test_every_palette_of_the_same_grays_gives_the_same_frame(
    bits: int, entries: NDArray, syntax: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    path = palette_file(tmp_path / "c.dcm", stored_cine[0], bits, entries.tobytes(), syntax)
    np.testing.assert_allclose(open_cine(path)[0].pixels, 1 - stored_cine[0] / 255, atol=1e-6)


def test_index_outside_the_palette_has_its_first_or_last_color(tmp_path: Path) -> None:
    frame = np.array([[0, 9, 10, 11, 12, 13, 255]], np.uint8)
    dataset = ultrasound(frame, "PALETTE COLOR")
    for color in ("Red", "Green", "Blue"):
        setattr(dataset, f"{color}PaletteColorLookupTableDescriptor", [3, 10, 8])
        setattr(dataset, f"{color}PaletteColorLookupTableData", bytes([51, 102, 255, 0]))
    pixels = open_cine(save(dataset, tmp_path / "c.dcm"))[0].pixels
    np.testing.assert_allclose(pixels, [[0.2, 0.2, 0.2, 0.4, 1.0, 1.0, 1.0]], atol=1e-6)


# --- color of JPEG frames ---


def jpeg(picture: Image.Image, **options: object) -> bytes:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=97, **options)
    return stream.getvalue()


def with_adobe(codestream: bytes, transform: int) -> bytes:
    """Replace the JFIF marker by Adobe's, which states the color transform."""
    length = int.from_bytes(codestream[4:6], "big")
    return codestream[:2] + b"\xff\xee\0\x0eAdobe\0d\0\0\0\0" + bytes([transform]) + codestream[4 + length :]


def without_marker(codestream: bytes) -> bytes:
    return codestream[:2] + codestream[4 + int.from_bytes(codestream[4:6], "big") :]


@pytest.fixture
def red_picture(stored_cine: NDArray[np.uint8]) -> Image.Image:
    colors = np.repeat(stored_cine[0][..., None], 3, axis=-1)
    colors[20:40, 20:44] = (200, 30, 10)
    return Image.fromarray(colors)


@pytest.mark.parametrize("label", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("kind", ["rgb-ids", "adobe-rgb", "adobe-ybr", "jfif", "no-marker"])
def test_codestream_states_the_color_of_a_jpeg(kind: str, label: str, red_picture: Image.Image, tmp_path: Path) -> None:
    ybr = jpeg(red_picture, subsampling=0)
    codestream = {
        "rgb-ids": jpeg(red_picture, keep_rgb=True),
        "adobe-rgb": with_adobe(jfif_of_rgb(red_picture), 0),
        "adobe-ybr": with_adobe(ybr, 1),
        "jfif": ybr,
        "no-marker": without_marker(jfif_of_rgb(red_picture) if label == "RGB" else ybr),
    }[kind]
    dataset = set_codestreams(ultrasound(np.asarray(red_picture), label), [codestream], JPEGBaseline8Bit)
    patch = open_cine(save(dataset, tmp_path / "c.dcm"))[0].pixels[26:34, 28:36]
    np.testing.assert_allclose(patch, (0.299 * 200 + 0.587 * 30 + 0.114 * 10) / 255, atol=2 / 255)


def jfif_of_rgb(picture: Image.Image) -> bytes:
    """Return a JPEG whose components are red, green and blue although its JFIF marker says luma and chroma."""
    return jpeg(Image.frombytes("YCbCr", picture.size, picture.tobytes()), subsampling=0)


def test_compressed_frame_of_another_size_is_refused(red_picture: Image.Image, tmp_path: Path) -> None:
    dataset = set_codestreams(ultrasound(np.asarray(red_picture)), [jpeg(red_picture)], JPEGBaseline8Bit)
    dataset.Rows = 80
    with pytest.raises(ReadError, match="Expected 80 x 56 pixels, got a compressed frame of 40 x 56"):
        _ = open_cine(save(dataset, tmp_path / "c.dcm"))[0]


@pytest.mark.parametrize("num_declared", [None, 1, "right"])
@pytest.mark.parametrize("num_frames", [1, 2, 3, 4])
def test_uncompressed_subsampled_label_on_full_data_is_refused(
    num_frames: int, num_declared: int | str | None, tmp_path: Path
) -> None:
    dataset = ultrasound(np.zeros((num_frames, 40, 56, 3), np.uint8), "YBR_FULL_422")
    declare_frames(dataset, num_frames if num_declared == "right" else num_declared)
    with pytest.raises(ReadError, match=f"YBR_FULL_422: {num_frames} frames with as much chroma as luma"):
        open_cine(save(dataset, tmp_path / "c.dcm"))


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("is_declared", [True, False])
def test_uncompressed_subsampled_frames_are_counted_by_their_data(
    num_frames: int, is_declared: bool, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, 255, (num_frames, 40, 28, 4), np.uint8)  # Y1 Y2 Cb Cr
    dataset = ultrasound(np.zeros((num_frames, 40, 56, 3), np.uint8), "YBR_FULL_422")
    dataset.PixelData = pairs.tobytes()
    declare_frames(dataset, num_frames if is_declared else None)
    path = save(dataset, tmp_path / "c.dcm")
    if not is_declared and num_frames % 3 == 0:  # as long as two frames for three with as much chroma as luma
        with pytest.raises(ReadError, match=f"or {num_frames} frames with half as much; NumberOfFrames does not say"):
            open_cine(path)
        return
    cine = open_cine(path)
    assert len(cine) == num_frames
    found = np.stack([frame.pixels for frame in cine])
    np.testing.assert_allclose(found, pairs[..., :2].reshape(num_frames, 40, 56) / 255, atol=1e-6)


def declare_frames(dataset: Dataset, number: int | str | None) -> None:
    if number is None:
        del dataset.NumberOfFrames
    else:
        dataset.NumberOfFrames = number


@pytest.mark.parametrize("photometric", ["YBR_PARTIAL_422", "YBR_PARTIAL_420", "HSV"])
def test_unknown_color_space_is_refused(photometric: str, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(np.repeat(stored_cine[..., None], 3, -1), photometric)
    with pytest.raises(ReadError, match=rf"color space.*Expected RGB, .*'{photometric}' with 3 samples per pixel"):
        open_cine(save(dataset, tmp_path / "c.dcm"))


def test_lossy_jpeg_of_12_bits_is_refused_once_for_the_file(tmp_path: Path) -> None:
    start = b"\xff\xd8\xff\xc1\0\x0b\x0c\0\x28\0\x38\x01\x01\x11\0"  # SOF1: 12 bits, 40 rows, 56 columns
    dataset = ultrasound(np.zeros((2, 40, 56), np.uint16))
    set_codestreams(dataset, [start + bytes(99), start + bytes(99)], JPEGExtended12Bit)
    dataset.BitsStored, dataset.HighBit = 12, 11
    with pytest.raises(ReadError, match=r"JPEG Extended.* with 12 bits per sample, for which there is no decoder"):
        open_cine(save(dataset, tmp_path / "c.dcm"))


# --- kinds ---


@pytest.mark.parametrize(
    ("sop_class", "message"),
    [
        ("1.2.840.10008.5.1.4.1.1.6.2", "Enhanced US Volume Storage"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "Segmentation Storage"),
        ("1.2.840.10008.5.1.4.1.1.481.2", "RT Dose Storage"),
    ],
)
def test_objects_that_are_no_cine_are_refused_by_name(
    sop_class: str, message: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(stored_cine)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    with pytest.raises(ReadError, match=message):
        open_cine(save(dataset, tmp_path / "c.dcm"))


# --- inverted gray scales, contradictory bits, private byte orders and other displays ---


def falling_table() -> Sequence:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 8], bytes(range(255, -1, -1))
    table["LUTData"].VR = "OW"
    return Sequence([table])


FALLING = {
    "slope": {"RescaleSlope": -1, "RescaleIntercept": 255},
    "presentation": {"PresentationLUTShape": "INVERSE"},
    "window table": {"VOILUTSequence": falling_table()},
    "modality table": {"ModalityLUTSequence": falling_table()},
}


@pytest.mark.parametrize("kind", FALLING)
def test_every_way_to_invert_the_gray_scale_is_followed(
    kind: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(255 - stored_cine)
    for keyword, value in FALLING[kind].items():
        setattr(dataset, keyword, value)
    assert_reads(save(dataset, tmp_path / "c.dcm"), stored_cine)


def test_inverse_presentation_of_monochrome1_inverts_once(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(255 - stored_cine, "MONOCHROME1")
    dataset.PresentationLUTShape = "INVERSE"
    assert_reads(save(dataset, tmp_path / "c.dcm"), stored_cine)


@pytest.mark.parametrize(("bits_stored", "bits_used"), [(8, 12), (10, 12), (12, 16)])
def test_values_of_more_bits_than_stated_are_refused(
    bits_stored: int, bits_used: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    smooth = np.clip(np.add.outer(np.arange(40), np.arange(56)) / 95, 0, 1)
    noise = np.random.default_rng(0).normal(0, 0.01, smooth.shape)
    dataset = ultrasound((np.clip(smooth + noise, 0, 1) * (2**bits_used - 1)).astype(np.uint16))
    dataset.BitsStored, dataset.HighBit = bits_stored, bits_stored - 1
    with pytest.raises(ReadError, match="values of more than"):
        _ = open_cine(save(dataset, tmp_path / "c.dcm"))[0]


def test_precision_of_a_codestream_counts_more_than_stored_bits(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(stored_cine[0].astype(np.uint16) * 257)
    compress(dataset, JPEG2000Lossless)
    dataset.BitsStored, dataset.HighBit = 12, 11
    assert_reads(save(dataset, tmp_path / "c.dcm"), stored_cine[:1])


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_transform_of_jpeg_2000_says_that_it_decodes_to_rgb(
    photometric: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    color = np.stack([stored_cine[0], stored_cine[0][::-1], stored_cine[0][:, ::-1]], axis=-1)
    dataset = ultrasound(color)
    dataset.PhotometricInterpretation = "YBR_RCT"  # asks the encoder to transform the components
    compress(dataset, JPEG2000Lossless)
    dataset.PhotometricInterpretation = photometric
    pixels = open_cine(save(dataset, tmp_path / "c.dcm"))[0].pixels
    np.testing.assert_allclose(pixels, color @ np.float32([0.299, 0.587, 0.114]) / 255, atol=1e-4)


@pytest.mark.parametrize("num_frames", [1, None])
def test_frame_of_rle_in_several_fragments_is_one_frame(
    num_frames: int | None, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(stored_cine[0])
    compress(dataset, RLELossless)
    fragments = fragment_frame(get_frame(dataset.PixelData, 0, number_of_frames=1), 4)
    dataset.PixelData = itemize_fragment(b"") + b"".join(map(itemize_fragment, fragments))
    if num_frames is not None:
        dataset.NumberOfFrames = num_frames
    assert_reads(save(dataset, tmp_path / "c.dcm"), stored_cine[:1])


def test_private_byte_order_is_followed_or_refused(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(stored_cine[0].astype(np.uint16) * 257)
    dataset.PixelData = (stored_cine[0].astype(np.uint16) * 257).byteswap().tobytes()
    dataset.BitsStored, dataset.HighBit = 16, 15
    path = save(dataset, tmp_path / "c.dcm")
    assert_reads(state_syntax(path, b"1.2.840.113619.5.2\0\0"), stored_cine[:1])


def test_unknown_private_byte_order_is_refused(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = state_syntax(save(ultrasound(stored_cine[0].astype(np.uint16)), tmp_path / "c.dcm"), b"1.2.826.0.1.999\0")
    with pytest.raises(ReadError, match="private transfer syntax"):
        open_cine(path)


def test_bytes_after_the_last_frame_are_told(
    tmp_path: Path, stored_cine: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ultrasound(stored_cine[0])
    dataset.Columns -= 2
    open_cine(save(dataset, tmp_path / "c.dcm"))
    assert "80 bytes of pixel data after the last frame" in caplog.text


@pytest.mark.parametrize(("spatial_format", "name"), [(2, "M-mode"), (3, "spectral Doppler")])
def test_picture_without_two_dimensional_region_is_refused(
    spatial_format: int, name: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    dataset, region = ultrasound(stored_cine), Dataset()
    region.RegionSpatialFormat, region.RegionDataType = spatial_format, 1
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    with pytest.raises(ReadError, match=name):
        open_cine(save(dataset, tmp_path / "c.dcm"))


def test_exchanged_corners_of_a_region_are_put_in_order(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset, region = ultrasound(stored_cine), Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.RegionLocationMinX0, region.RegionLocationMaxX1 = 50, 3
    region.RegionLocationMinY0, region.RegionLocationMaxY1 = 30, 5
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    assert open_cine(save(dataset, tmp_path / "c.dcm")).crop == (5, 3, 31, 51)
