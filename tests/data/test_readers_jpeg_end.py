"""Tests of JPEG whose data ends before the picture does: it is refused, although its decoder reports nothing."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless

from striq.data.readers import dicom_decoding, open_cine
from striq.errors import ReadError
from tests.dicom_writer import save, set_codestreams, ultrasound
from tests.lossless_jpeg import codestream_of, save_as_lossless_jpeg

END = b"\xff\xd9"
KINDS = {"baseline": {}, "progressive": {"progressive": True}, "restarts": {"restart_marker_rows": 1}}


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """Noise that is brighter to the right, shape ``(80, 96)``; bright in its last pixel."""
    noise = np.random.default_rng(0).integers(0, 90, (80, 96))
    return (noise + np.linspace(0, 160, 96)).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], **options: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def cut(codestream: bytes, share: float) -> bytes:
    """Cut off the end of the data, and mark the end of the image again."""
    return codestream[: int(len(codestream) * share)] + END


@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
@pytest.mark.parametrize("is_color", [False, True], ids=["gray", "color"])
@pytest.mark.parametrize("kind", KINDS)
def test_picture_that_ends_early_is_refused(
    kind: str, is_color: bool, share: float, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    pixels = np.repeat(picture[..., None], 3, axis=-1) if is_color else picture
    codestream = cut(jpeg(pixels, **KINDS[kind]), share)
    (tmp_path / "frame.jpg").write_bytes(codestream)
    dataset = set_codestreams(
        ultrasound(pixels, "YBR_FULL_422" if is_color else ""), [codestream + b"\0"], JPEGBaseline8Bit
    )
    for path in (tmp_path / "frame.jpg", save(dataset, tmp_path / "frame.dcm")):
        with pytest.raises(ReadError):
            _ = open_cine(path)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gray", [0, 128, 255])
def test_complete_picture_is_read_whatever_its_last_pixel(
    gray: int, kind: str, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    picture[:, -16:] = picture[-16:] = gray
    codestream = jpeg(picture, **KINDS[kind])
    (tmp_path / "frame.jpg").write_bytes(codestream + b"after the end")
    dataset = set_codestreams(ultrasound(picture), [codestream], JPEGBaseline8Bit)
    for path in (tmp_path / "frame.jpg", save(dataset, tmp_path / "frame.dcm")):
        assert np.abs(open_cine(path)[0].pixels - picture / 255).max() < 0.2


@pytest.mark.parametrize("factor", [1, 257], ids=["8 bits", "16 bits"])
def test_lossless_jpeg_that_ends_early_is_refused(factor: int, tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    pixels = picture.astype(np.uint16) * 257 if factor > 1 else picture
    path = save_as_lossless_jpeg(ultrasound(pixels), tmp_path / "a.dcm")
    np.testing.assert_allclose(open_cine(path)[0].pixels, picture / 255, atol=1e-6)
    dataset = set_codestreams(ultrasound(pixels), [cut(codestream_of(path), 0.6)], JPEGLosslessSV1)
    with pytest.raises(ReadError, match="ends before"):
        _ = open_cine(save(dataset, tmp_path / "b.dcm"))[0]


def test_jpeg_ls_without_its_end_is_refused_at_once(
    tmp_path: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ultrasound(picture)
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    codestream = codestream_of(save(dataset, tmp_path / "c.dcm"))
    monkeypatch.setattr(dicom_decoding, "decode_apart", lambda *arguments: pytest.fail("the decoder was asked"))
    dataset = set_codestreams(ultrasound(picture), [codestream[: len(codestream) // 4 * 2]], JPEGLSLossless)
    with pytest.raises(ReadError, match="without its end"):
        _ = open_cine(save(dataset, tmp_path / "c.dcm"))[0]
