"""Tests of ``striq explain`` and of the pictures it is made of."""

from __future__ import annotations

import copy
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from striq.anchors.thumbnails import write_thumbnails
from striq.data.phantom import make_phantom_cine
from striq.data.readers import open_cine
from striq.reporting.explained_frame import (
    NO_PICTURE,
    PICTURE,
    STRUCTURE,
    ExplainedFrame,
    FrameExplainer,
    warped_onto,
)
from striq.reporting.explanation_picture import draw_explanation
from striq.scoring.scorer import StriqScorer
from striq.types import Frame
from tests.score_factory import make_score
from tests.test_cli import run

SIZE = (96, 120)


@pytest.fixture
def frame() -> Frame:
    """A frame of the phantom with a black margin, whose spacing is known."""
    pixels = np.pad(make_phantom_cine("a4c", 3, size=SIZE)[1].pixels, ((5, 0), (0, 7)))
    return Frame(pixels, "a.dcm", 3, spacing_mm=(0.5, 0.4))


@pytest.fixture
def cine(tmp_path: Path) -> Path:
    """A cine of the phantom as TIFF."""
    first, *others = (Image.fromarray(np.round(f.pixels * 255).astype(np.uint8)) for f in make_phantom_cine("a4c", 4))
    first.save(tmp_path / "cine.tif", save_all=True, append_images=others)
    return tmp_path / "cine.tif"


def explained_by(scorer: StriqScorer, folder: Path, frame: Frame) -> ExplainedFrame:
    return FrameExplainer(scorer, scorer.save(folder / "model.pt")).explain(frame, "a4c")


def test_all_pictures_are_on_the_pixels_of_the_fan(tiny_scorer: StriqScorer, tmp_path: Path, frame: Frame) -> None:
    found = explained_by(tiny_scorer, tmp_path, frame)
    top, left, bottom, right = found.score.crop
    np.testing.assert_array_equal(found.frame, np.round(frame.pixels[top:bottom, left:right] * 255))
    assert found.reference is not None
    assert found.reference.shape == found.frame.shape
    assert found.missing.shape == (*found.frame.shape, 3)
    assert found.aspect == pytest.approx(1.25)
    assert "%" not in found.motion.split("move")[-1]  # millimeters, as the spacing is known
    assert found.score.quality == tiny_scorer.score([frame], "a4c")[0].quality


def test_reference_is_its_thumbnail_or_else_its_structure_or_else_nothing(
    tiny_scorer: StriqScorer, tmp_path: Path, frame: Frame
) -> None:
    found = explained_by(tiny_scorer, tmp_path, frame)
    assert (found.shown, NO_PICTURE in found.note) == (STRUCTURE, True)
    assert found.reference is not None
    assert len(np.unique(found.reference)) > 20
    without = copy.deepcopy(tiny_scorer)
    without.bank.get_buffer("structure_0").zero_()
    found = explained_by(without, tmp_path, frame)
    assert (found.shown, found.reference, found.note) == ("", None, NO_PICTURE)
    gray = torch.full((3, 1, *tiny_scorer.config.encoder.size), 0.5)
    write_thumbnails(tmp_path, {"a4c": gray})
    found = explained_by(tiny_scorer, tmp_path, frame)
    assert (found.shown, found.note) == (PICTURE, "")
    assert found.reference is not None
    assert found.reference.max() == 128


def test_reference_is_warped_by_the_transform_from_frame_to_reference() -> None:
    picture = np.zeros((128, 128), np.uint8)
    picture[60:68, 90:98] = 255  # right of the center
    left = np.array([[1, 0, 0.5], [0, 1, 0]], np.float32)  # the frame's center shows what lies right of it
    warped = warped_onto(picture, left, (96, 160)).astype(float)
    rows, columns = (np.average(axis, weights=warped) for axis in np.mgrid[:96, :160])
    assert (rows, columns) == pytest.approx((47.5, 94 / 128 * 160 - 40 - 0.5), abs=0.7)


def test_missing_structure_is_colored_and_nothing_else(
    tiny_scorer: StriqScorer, tmp_path: Path, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = np.zeros((16, 16), np.float32)
    cells[4:6, 8:12] = 0.5
    plain = tiny_scorer.explain(frame, "a4c")
    monkeypatch.setattr(type(plain), "missing", property(lambda _self: cells), raising=False)
    monkeypatch.setattr(StriqScorer, "explain", lambda *_a, **_k: _Explained(plain.score, cells))
    found = explained_by(tiny_scorer, tmp_path, frame)
    colored = np.ptp(found.missing.astype(int), axis=2) > 40
    height, width = colored.shape
    rows, columns = np.nonzero(colored)
    assert (rows.min() / height, (rows.max() + 1) / height) == pytest.approx((4 / 16, 6 / 16), abs=1 / 16)
    assert (columns.min() / width, (columns.max() + 1) / width) == pytest.approx((8 / 16, 12 / 16), abs=1 / 16)
    np.testing.assert_array_equal(found.missing[: height // 8, :, 0], found.frame[: height // 8])


class _Explained:
    """An explanation with a given map of missing structure."""

    def __init__(self, score: object, missing: NDArray[np.float32]) -> None:
        self.score, self.missing = score, missing


@pytest.mark.parametrize("has_reference", [True, False])
def test_picture_says_what_it_shows(tmp_path: Path, has_reference: bool) -> None:
    gray = np.full((60, 80), 100, np.uint8)
    found = ExplainedFrame(
        make_score(0.25, "none", scored_plane="A4C", index=7, uncertainty=0.125, anchor_number=4),
        gray,
        gray if has_reference else None,
        PICTURE if has_reference else "",
        np.stack([gray] * 3, -1),
        "rotate 8 degrees clockwise, move 6 mm left",
    )
    with mpl.rc_context({"svg.fonttype": "none"}):
        text = draw_explanation(tmp_path / "why.svg", "c $x_1.dcm", found).read_text(encoding="utf-8")
    for expected in (
        "c $x_1.dcm, frame 7: Q 0.25 ± 0.12, none of the planes, most like A4C, not accepted (threshold 0.5)",
        "rotate 8 degrees clockwise, move 6 mm left.",
        "A4C 4",
        "Right plane",
        "not for diagnosis",
    ):
        assert expected in text
    assert ("The model holds no" in text) != has_reference


def test_command_explains_the_frame_that_is_asked_for(
    cine: Path, tmp_path: Path, tiny_model: Path, tiny_scorer: StriqScorer, capsys: pytest.CaptureFixture[str]
) -> None:
    quality = [score.quality for score in tiny_scorer.score(open_cine(cine))]
    for asked, index in (("best", np.argmax(quality)), ("worst", np.argmin(quality)), ("2", 2)):
        out = tmp_path / f"{asked}.png"
        assert run("explain", cine, "--frame", asked, "--out", out, "--model", tiny_model) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"cine.tif, frame {index}: Q {quality[index]:.2f} ")
        assert "To lie on this frame, the nearest reference must: " in said
        with Image.open(out) as picture:
            assert picture.format == "PNG"


@pytest.mark.parametrize("asked", ["4", "-1", "middle", ""])
def test_frame_that_does_not_exist_is_refused(cine: Path, tmp_path: Path, tiny_model: Path, asked: str) -> None:
    assert run("explain", cine, "--frame", asked, "--out", tmp_path / "why.png", "--model", tiny_model) == 2
    assert not (tmp_path / "why.png").exists()


def test_frame_that_cannot_be_scored_is_one_line(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(tmp_path / "black.png")
    assert run("explain", tmp_path / "black.png", "--out", tmp_path / "why.png", "--model", tiny_model) == 2
    assert "The frame is empty" in capsys.readouterr().err
