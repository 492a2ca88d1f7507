"""Tests of decoding in a process of its own: the process may end or hang, the caller may not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels import compress
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless

from striq.data.readers import decoder_process, open_cine
from striq.data.readers.decoder_process import decode_apart
from striq.data.readers.dicom_decoding import PLUGINS
from striq.data.readers.dicom_format import PixelFormat
from striq.errors import ReadError
from tests.dicom_writer import save, set_codestreams, ultrasound
from tests.lossless_jpeg import save_as_lossless_jpeg

gdcm = pytest.importorskip("gdcm")


def jpeg_ls(frame: NDArray[np.uint8]) -> bytes:
    dataset = ultrasound(frame)
    compress(dataset, JPEGLSLossless, generate_instance_uid=False)
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def with_rows(codestream: bytes, rows: int) -> bytes:
    """State another height in the header of a JPEG-LS frame."""
    place = codestream.index(b"\xff\xf7") + 5
    return codestream[:place] + rows.to_bytes(2, "big") + codestream[place + 2 :]


@pytest.mark.parametrize("factor", [1, 257])
def test_lossless_jpeg_comes_back_as_it_was(factor: int, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    stored = stored_cine[2] * factor if factor == 1 else stored_cine[2].astype(np.uint16) * factor
    frame = open_cine(save_as_lossless_jpeg(ultrasound(stored), tmp_path / "c.dcm"))[0]
    np.testing.assert_allclose(frame.pixels, stored_cine[2] / 255, atol=1e-6)


def test_frame_that_ends_gdcm_does_not_end_the_caller(stored_cine: NDArray[np.uint8]) -> None:
    options = PixelFormat.of(ultrasound(np.zeros((80, 56), np.uint8))).options(1)
    with pytest.raises(ValueError, match=r"the decoder ended|Unable to decode"):
        decode_apart(with_rows(jpeg_ls(stored_cine[0]), 80), JPEGLSLossless, "gdcm", options)
    options = PixelFormat.of(ultrasound(stored_cine[0])).options(1)
    array, color = decode_apart(jpeg_ls(stored_cine[0]), JPEGLSLossless, "pyjpegls", options)
    np.testing.assert_array_equal(array, stored_cine[0])
    assert color == "MONOCHROME2"


def test_frame_that_takes_too_long_is_given_up(stored_cine: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    options = PixelFormat.of(ultrasound(stored_cine[0])).options(1)
    decode_apart(jpeg_ls(stored_cine[0]), JPEGLSLossless, "pyjpegls", options)  # the process runs now
    monkeypatch.setattr(decoder_process, "FRAME_TIMEOUT_S", 0.0)
    with pytest.raises(ValueError, match="took too long"):
        decode_apart(jpeg_ls(np.tile(stored_cine[0], (40, 40))), JPEGLSLossless, "pyjpegls", options)
    monkeypatch.undo()
    decode_apart(jpeg_ls(stored_cine[0]), JPEGLSLossless, "pyjpegls", options)


@pytest.mark.parametrize("rows", [80, 65535])
def test_jpeg_ls_header_that_promises_more_than_its_stream_is_refused(
    rows: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    codestreams = [jpeg_ls(stored_cine[0]), with_rows(jpeg_ls(stored_cine[1]), rows)]
    dataset = set_codestreams(ultrasound(stored_cine[:2]), codestreams, JPEGLSLossless)
    cine = open_cine(save(dataset, tmp_path / "c.dcm"))
    np.testing.assert_allclose(cine[0].pixels, stored_cine[0] / 255, atol=1e-6)
    with pytest.raises(ReadError, match=f"got a compressed frame of {rows} x 56 pixels"):
        _ = cine[1]
    both = set_codestreams(ultrasound(np.zeros((rows, 56), np.uint8)), codestreams[1:], JPEGLSLossless)
    with pytest.raises(ReadError, match="The frame cannot be decoded"):
        _ = open_cine(save(both, tmp_path / "c.dcm"))[0]


def test_gdcm_decodes_nothing_that_another_decoder_can() -> None:
    assert "gdcm" not in PLUGINS.values()
    assert not {JPEGBaseline8Bit, JPEGLosslessSV1} & set(PLUGINS)
    assert JPEG2000Lossless in PLUGINS


def test_decoder_ends_with_its_caller(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = set_codestreams(ultrasound(stored_cine[0]), [jpeg_ls(stored_cine[0])], JPEGLSLossless)
    path = save(dataset, tmp_path / "c.dcm")
    program = (
        "import sys, os; from striq.data.readers import open_cine, decoder_process; open_cine(sys.argv[1])[0];"
        "print(decoder_process._process._process.pid, flush=True)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program, str(path)], capture_output=True, check=True)
    assert done.stderr == b""
    assert not Path(f"/proc/{int(done.stdout)}").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked on this system")
def test_forked_process_has_a_decoder_of_its_own(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    codestreams = [jpeg_ls(frame) for frame in stored_cine]
    path = save(set_codestreams(ultrasound(stored_cine), codestreams, JPEGLSLossless), tmp_path / "c.dcm")
    program = (
        "import sys, os; from striq.data.readers import open_cine; cine = open_cine(sys.argv[1]); cine[0]\n"
        "child = os.fork()\n"
        "frames = [cine[i].pixels.mean() for i in (0, 1, 2) * 20]\n"
        "child and os.waitpid(child, 0); print(*frames, flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True)
    of_child, of_parent = done.stdout.splitlines()
    assert of_child == of_parent
    assert done.stderr == ""
