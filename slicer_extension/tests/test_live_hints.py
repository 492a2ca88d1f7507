"""Tests of hint, hold, best frame and sound in a stream; the oracle of a hint is the motion of the frame."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from conftest import Clicker
from scipy import ndimage
from test_transform_words import CROP, SPACING, motion, pull_back
from UltrasoundPlaneQCLib.BestFrames import BestFrames
from UltrasoundPlaneQCLib.FrameSource import knownSpacingOf
from UltrasoundPlaneQCLib.LiveHints import HintWords, SoundCue, hintOf
from UltrasoundPlaneQCLib.LiveScoring import LiveVerdict
from UltrasoundPlaneQCLib.Samples import SAMPLE

from striq.data.fan import bounding_box, fan_mask
from striq.data.readers import open_cine
from striq.scoring.loading import load_scorer
from striq.types import Frame


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (motion(), "lies like the reference"),
        (motion(degrees=8), "rotate 8° counterclockwise"),
        (motion(degrees=-8), "rotate 8° clockwise"),
        (motion(shift=(-6, 0)), "move 6 mm right"),
        (motion(shift=(6, 0)), "move 6 mm left"),
        (motion(shift=(0, 4)), "move 4 mm up"),
        (motion(shift=(0, -4)), "move 4 mm down"),
        (motion(size=1.25), "shrink by 20 %"),
        (motion(size=0.8), "enlarge by 25 %"),
        (motion(1.0, (1, -1), 1.02), "lies like the reference"),
        (np.diag([-1.0, 1.0, 1.0]), "mirrored left to right"),
    ],
)
def test_hint_undoes_the_motion_of_the_frame(made: np.ndarray, said: str) -> None:
    assert hintOf(pull_back(made), list(CROP), SPACING) == said


def test_transform_onto_a_line_gives_no_hint() -> None:
    assert hintOf([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], list(CROP), SPACING) == ""


def test_distances_are_shares_of_the_fan_where_the_spacing_is_unknown() -> None:
    made = pull_back(motion(shift=(5, -10)))  # of 50 x 50 mm
    assert hintOf(made, list(CROP), None) == "move 10 % of the width left and 20 % of the height down"


def test_spacing_that_nobody_set_is_unknown() -> None:
    volume = slicer.util.addVolumeFromArray(np.zeros((1, 4, 5), np.uint8), name="plain")
    assert knownSpacingOf(volume) is None
    volume.SetSpacing(0.2, 0.3, 1.0)
    assert knownSpacingOf(volume) == (0.3, 0.2)


@pytest.fixture(scope="module")
def scored_frame():
    """The shipped model, the best frame of the sample, and the plane that it shows."""
    scorer, cine = load_scorer(), open_cine(SAMPLE)
    frame = cine[len(cine) // 2]
    return scorer, frame, scorer.score([frame])[0].plane


def numbers(hint: str) -> dict[str, float]:
    """Return the parts of a hint with their signs: clockwise, right and down are positive."""
    signs = {"clockwise": 1, "counterclockwise": -1, "right": 1, "left": -1, "down": 1, "up": -1}
    turned = re.search(r"rotate (\d+)° (\w+)", hint)
    found = {"turn": float(turned[1]) * signs[turned[2]] if turned else 0.0}
    for name, sides in (("right", "right|left"), ("down", "down|up")):
        moved = re.search(rf"(\d+) mm ({sides})", hint)
        found[name] = float(moved[1]) * signs[moved[2]] if moved else 0.0
    return found


@pytest.mark.parametrize(
    ("name", "degrees", "shift"),
    [("turn", 8, (0, 0)), ("turn", -8, (0, 0)), ("right", 0, (10, 0)), ("right", 0, (-10, 0)), ("down", 0, (0, 8))],
)
def test_hint_of_the_model_points_back_from_where_the_frame_was_moved(
    scored_frame, name: str, degrees: float, shift: tuple[float, float]
) -> None:
    scorer, frame, plane = scored_frame

    def hint(pixels: np.ndarray) -> dict[str, float]:
        score = scorer.score([Frame(pixels)], plane=plane)[0]
        return numbers(hintOf(score.transform, list(score.crop), (1.0, 1.0)))

    mask = fan_mask(frame.pixels)
    top, left, bottom, right = bounding_box(mask)
    center = np.array([(top + bottom) / 2 - 0.5, (left + right) / 2 - 0.5])
    turn = math.radians(degrees)
    # From the moved frame back, in rows and columns.
    back = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    moved = ndimage.affine_transform(
        frame.pixels, back, offset=center - back @ (center + shift[::-1]), order=1, mode="nearest"
    )
    moved = np.where(mask, np.clip(moved, 1 / 255, 1), 0).astype(np.float32)  # the fan stays where it is
    made = {"turn": degrees, "right": shift[0], "down": shift[1]}[name]
    change = hint(moved)[name] - hint(frame.pixels)[name]
    assert change == pytest.approx(-made, abs=0.5 * abs(made))


def verdict_at(
    timeS: float, quality: float | None = 0.5, verdict: str = "accepted", shift: float = 0.0, plane: str = "a4c"
) -> LiveVerdict:
    return LiveVerdict(
        quality=quality,
        verdict=verdict,
        plane=plane,
        frameMs=1.0,
        latencyMs=2.0,
        imageTime=timeS,
        transform=pull_back(motion(shift=(shift, 0))).tolist(),
        crop=list(CROP),
        pixels=np.full((2, 2), timeS),
        spacingMm=SPACING,
    )


def test_one_odd_image_does_not_change_the_hint() -> None:
    words = HintWords()
    hints = [words.of(verdict_at(0.1 * number, shift=30.0 if number == 4 else 6.0)) for number in range(6)]
    assert set(hints) == {"move 6 mm left"}
    later = [words.of(verdict_at(1.0 + 0.1 * number, shift=-6.0)) for number in range(8)]
    assert later[-1] == "move 6 mm right"


def test_hint_is_empty_where_no_known_plane_is_seen() -> None:
    words = HintWords()
    assert words.of(verdict_at(0.0, plane="none")) == ""
    assert words.of(LiveVerdict(None, "not readable", "none", 1.0, 2.0, 0.1)) == ""


def test_best_frame_is_the_best_accepted_of_the_last_seconds() -> None:
    best, random = BestFrames(2.0), np.random.default_rng(0)
    given = []
    assert best.best is None
    for number in range(300):
        accepted = random.random() < 0.3
        live = verdict_at(0.1 * number, float(random.random()), "accepted" if accepted else "rejected")
        given.append(live)
        best.add(live)
        now = [one for one in given if one.verdict == "accepted" and one.imageTime >= live.imageTime - 2.0]
        assert best.best is (max(now, key=lambda one: one.quality) if now else None)


def test_sound_comes_once_when_the_verdict_turns_to_accepted() -> None:
    cue = SoundCue()
    verdicts = ["rejected", "accepted", "accepted", "rejected", "accepted", "rejected", "accepted"]
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 1.5, 1.6]
    heard = [time for time, word in zip(times, verdicts, strict=True) if cue.isDue(verdict_at(time, 0.5, word))]
    assert heard == [0.1, 1.6]


@pytest.fixture
def live(clicker: Clicker, cine_pixels, tiny_model: Path) -> Clicker:
    """The panel with a stream that is being scored; every frame is accepted."""
    volume = slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), name="Image_Reference")
    clicker.ui.modelPath.setText(str(tiny_model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    clicker.ui.planeSelector.setCurrentText("a4c")
    clicker.ui.thresholdSlider.setValue(0.0)
    clicker.ui.liveSelector.setCurrentNode(volume)
    clicker.click("liveButton")
    return clicker


def send(clicker: Clicker, picture: np.ndarray) -> None:
    scoring = clicker.panel.live.live
    before = scoring.scored
    slicer.util.updateVolumeFromArray(scoring.volume, picture[None].copy())
    clicker.waitFor(lambda: scoring.scored > before)


def test_hint_is_in_the_panel_and_below_the_verdict_in_the_view(live: Clicker, cine_pixels) -> None:
    send(live, cine_pixels[2])
    hint = live.panel.hints.hintLabel.text
    assert hint
    corner = live.panel.views._corner.GetInput().split("\n")
    assert corner[0].startswith("accepted  Q ")
    assert corner[1:] == re.split(", | and ", hint)
    assert " mm" not in hint  # the stream has no spacing
    live.click("liveButton")
    assert live.panel.hints.hintLabel.text == ""


def test_best_frame_is_kept_as_a_node(live: Clicker, cine_pixels) -> None:
    hints = live.panel.hints
    assert not hints.bestButton.isEnabled()
    for index in range(4):
        send(live, cine_pixels[index])
    expected = hints.best.best
    live.click("liveButton")  # it can be kept after the stream as well
    live.click(hints.bestButton)
    (node,) = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "best" in node.GetName()]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node)[0], expected.pixels)
    assert float(node.GetAttribute("STRIQ.quality")) == pytest.approx(expected.quality, abs=1e-5)
    assert f"Q {expected.quality:.2f}" in node.GetName()
    live.click(hints.bestButton)
    assert len([n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "best" in n.GetName()]) == 2


def test_hold_keeps_the_frame_and_its_verdict_until_it_is_released(live: Clicker, cine_pixels, view) -> None:
    hints, scoring = live.panel.hints, live.panel.live.live
    send(live, cine_pixels[2])
    said = live.ui.liveVerdictLabel.text
    live.click(hints.holdButton)
    background = view.logic.GetSliceCompositeNode().GetBackgroundVolumeID
    assert slicer.mrmlScene.GetNodeByID(background()).GetName() == "STRIQ held frame"
    slicer.util.updateVolumeFromArray(scoring.volume, cine_pixels[7][None].copy())
    live.passTime(0.3)
    assert (scoring.scored, scoring.received) == (1, 2)
    assert live.ui.liveVerdictLabel.text == said
    live.click(hints.holdButton)
    assert background() == scoring.volume.GetID()
    assert slicer.mrmlScene.GetFirstNodeByName("STRIQ held frame") is None
    send(live, cine_pixels[7])
    live.click(hints.holdButton)
    live.click("liveButton")  # a stream that ends does not stay held
    assert slicer.mrmlScene.GetFirstNodeByName("STRIQ held frame") is None


def test_sound_is_off_at_first_and_heard_when_switched_on(
    live: Clicker, cine_pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    beeps: list[int] = []
    monkeypatch.setattr(qt, "QApplication", type("App", (), {"beep": staticmethod(lambda: beeps.append(1))}))
    send(live, cine_pixels[2])
    assert beeps == []
    live.click(live.panel.hints.soundBox)
    live.panel.hints.sound = SoundCue()
    send(live, cine_pixels[3])
    assert beeps == [1]


def test_scene_that_is_closed_takes_the_frames_along(live: Clicker, cine_pixels) -> None:
    send(live, cine_pixels[2])
    live.click(live.panel.hints.holdButton)
    slicer.mrmlScene.Clear(False)
    live.passTime()
    assert live.panel.hints.best.best is None
    assert not live.panel.hints.bestButton.isEnabled()
    assert not live.panel.hints.holdButton.isEnabled()
