"""Tests of the optional video reader; skipped if PyAV is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from striq.data.readers import open_cine
from striq.errors import ReadError

av = pytest.importorskip("av", reason="needs the optional package 'av'")


@pytest.fixture(params=["cine.avi", "cine.mp4"])
def video(request: pytest.FixtureRequest, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> Path:
    """The three stored frames at 25 frames per second, weakly compressed."""
    path = tmp_path / request.param
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = stored_cine[0].shape
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 8_000_000
        for frame in stored_cine:
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, axis=-1), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def test_every_frame_comes_back_within_its_compression(video: Path, stored_cine: NDArray[np.uint8]) -> None:
    read = np.stack([frame.pixels for frame in open_cine(video)])
    assert read.shape == stored_cine.shape
    assert np.abs(read - stored_cine / 255).mean() < 0.02


def test_frames_may_be_read_in_any_order(video: Path) -> None:
    in_order = [frame.pixels for frame in open_cine(video)]
    cine = open_cine(video)
    for index in (2, 0, 1, 1):
        np.testing.assert_array_equal(cine[index].pixels, in_order[index])


def test_times_are_those_of_the_video(video: Path) -> None:
    assert open_cine(video).times_s == pytest.approx((0.0, 0.04, 0.08), abs=1e-4)


def test_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cine.mp4").write_bytes(b"no video" * 50)
    with pytest.raises(ReadError, match="The video cannot be decoded"):
        open_cine(tmp_path / "cine.mp4")


def test_times_of_frames_stored_out_of_order_ascend(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = tmp_path / "cine.mp4"
    frames = np.repeat(stored_cine, 4, axis=0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3", "b-adapt": "0"})
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, axis=-1), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    cine = open_cine(path)
    assert cine.times_s == pytest.approx(np.arange(12) / 25, abs=1e-4)
    assert [frame.index for frame in cine] == list(range(12))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_that_a_video_declares_is_applied(
    degrees: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    path = tmp_path / "cine.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = stored_cine[0].shape
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        stream.set_display_rotation(degrees)
        for frame in stored_cine:
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, axis=-1), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    read = np.stack([frame.pixels for frame in open_cine(path)])
    expected = np.rot90(stored_cine, degrees // 90, axes=(1, 2)) / 255
    assert read.shape == expected.shape
    assert np.abs(read - expected).mean() < 0.02


def test_video_that_was_cut_off_is_told(
    tmp_path: Path, stored_cine: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cine.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width = stored_cine[0].shape
        stream.pix_fmt = "yuvj420p"
        for frame in np.repeat(stored_cine, 4, axis=0):
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, axis=-1), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert len(open_cine(path)) < 12
    assert "the header declares 12 frames" in caplog.text


def test_frames_that_an_edit_list_leaves_out_are_no_frames(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = tmp_path / "cine.mp4"
    frames = np.repeat(stored_cine, 4, axis=0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"bf": "0"})
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, axis=-1), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    # version, number of entries, then duration and start of the part that is shown
    entry = content.index(b"elst") + 12
    scale = int.from_bytes(content[(media := content.index(b"mdhd")) + 16 : media + 20], "big")
    content[entry + 4 : entry + 8] = (scale * 5 // 25).to_bytes(4, "big")
    path.write_bytes(content)
    cine = open_cine(path)
    assert [frame.index for frame in cine] == list(range(7))
    assert cine.times_s == pytest.approx(np.arange(7) / 25, abs=1e-4)
    assert np.abs(cine[0].pixels - frames[5] / 255).mean() < 0.05
