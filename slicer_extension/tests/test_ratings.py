"""Tests of ratings, of their agreement, and of rating without seeing the scores."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from conftest import LPS, Clicker
from PySide6 import QtCore, QtTest
from standin import mrml
from test_results import TERMS, answer
from test_saved_scene import save_and_reload
from UltrasoundPlaneQCLib.Agreement import agreementOf
from UltrasoundPlaneQCLib.FrameSource import StackFrames
from UltrasoundPlaneQCLib.Ratings import Ratings, agreements, exportRatings, ratedTables
from UltrasoundPlaneQCLib.Results import Results
from UltrasoundPlaneQCLib.ScoreChart import ScoreChart

QUALITIES = [0.2, 0.7, 0.9, 0.6, 0.4, 0.8]
A, R = "accepted", "rejected"


def table(name: str = "cine") -> Results:
    """Return scores of six frames in a stack, four of them accepted by Q."""
    pixels = np.random.default_rng(0).integers(0, 255, (len(QUALITIES), 96, 96), np.uint8)
    volume = slicer.util.addVolumeFromArray(pixels, LPS, name)
    results = Results.create(StackFrames(volume))
    results.setTerms(TERMS)
    results.applyThreshold(0.5)
    results.store([answer(index, quality) for index, quality in enumerate(QUALITIES)])
    return results


def rate(results: Results, rater: str, ratings: str) -> None:
    """Rate frames: ``+`` accepted, ``-`` rejected, ``.`` not rated."""
    for frame, sign in enumerate(ratings):
        if sign != ".":
            Ratings(results).rate(rater, frame, A if sign == "+" else R)


# Agreement


def pairs(both: int, first: int, second: int, neither: int) -> tuple[dict[int, str], dict[int, str]]:
    """Return the ratings of two raters by the four cells of their table."""
    cells = [(A, A)] * both + [(A, R)] * first + [(R, A)] * second + [(R, R)] * neither
    return ({item: cell[0] for item, cell in enumerate(cells)}, {item: cell[1] for item, cell in enumerate(cells)})


@pytest.mark.parametrize(
    ("cells", "kappa"),
    [
        ((20, 5, 10, 15), 0.4),  # observed 0.7, expected 0.5
        ((45, 15, 25, 15), 0.1304),  # the same agreement with other marginals
        ((25, 35, 5, 35), 0.2593),
        ((10, 0, 0, 10), 1.0),
        ((0, 10, 10, 0), -1.0),
        ((5, 5, 5, 5), 0.0),
    ],
)
def test_kappa_of_known_tables(cells: tuple[int, int, int, int], kappa: float) -> None:
    found = agreementOf(*pairs(*cells))
    assert found.kappa == pytest.approx(kappa, abs=5e-5)
    assert found.observed == (cells[0] + cells[3]) / sum(cells)


def kappa_by_weights(first: list[str], second: list[str]) -> float:
    """Return kappa as scikit-learn's documentation defines it: by a confusion matrix and weights of disagreement."""
    kinds = sorted({*first, *second})
    confusion = np.array(
        [[sum(a == i and b == j for a, b in zip(first, second, strict=True)) for j in kinds] for i in kinds], float
    )
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    weights = 1 - np.eye(len(kinds))
    return 1 - (weights * confusion).sum() / (weights * expected).sum()


def test_kappa_agrees_with_another_way_to_compute_it() -> None:
    random = np.random.default_rng(1)
    for _ in range(50):
        first, second = (list(random.choice([A, R], 30, p=[0.6, 0.4])) for _ in range(2))
        found = agreementOf(dict(enumerate(first)), dict(enumerate(second)))
        assert found.kappa == pytest.approx(kappa_by_weights(first, second), abs=1e-12)
        assert agreementOf(dict(enumerate(second)), dict(enumerate(first))) == found


def test_only_frames_that_both_have_rated_count() -> None:
    found = agreementOf({1: A, 2: R, 3: A}, {2: R, 3: A, 4: R})
    assert (found.items, found.observed, found.kappa) == (2, 1.0, 1.0)


@pytest.mark.parametrize("ratings", [({}, {}), ({1: A}, {2: A}), ({1: A, 2: A}, {1: A, 2: A})])
def test_kappa_is_undefined_without_frames_and_without_variation(ratings: tuple[dict, dict]) -> None:
    assert math.isnan(agreementOf(*ratings).kappa)


# Ratings


def test_raters_have_ratings_of_their_own() -> None:
    results = table()
    rate(results, "Anna", "+-+...")
    rate(results, "Ben", "--....")
    assert Ratings(results).raters == ["Anna", "Ben"]
    assert Ratings(results).of("Anna") == {0: A, 1: R, 2: A}
    Ratings(results).rate("Ben", 0, A)
    Ratings(results).rate("Ben", 1, None)
    assert Ratings(results).of("Ben") == {0: A}
    Ratings(results).rate("Ben", 0, None)
    assert Ratings(results).raters == ["Anna"]


@pytest.mark.parametrize(("rater", "rating"), [("", A), ("  ", R), ("Anna", "perhaps")])
def test_rating_without_name_or_sense_is_refused(rater: str, rating: str) -> None:
    with pytest.raises(ValueError, match="Expected a name"):
        Ratings(table()).rate(rater, 0, rating)


def test_next_unrated_goes_around() -> None:
    results = table()
    rate(results, "Anna", ".+++.+")
    ratings = Ratings(results)
    assert [ratings.nextUnrated("Anna", frame) for frame in (0, 2, 4, 5)] == [4, 4, 0, 0]
    rate(results, "Anna", "+...+.")
    assert ratings.nextUnrated("Anna", 0) is None
    assert ratings.isComplete("Anna")


def test_ratings_stay_when_the_cine_is_scored_again() -> None:
    results = table()
    rate(results, "Anna", "+-+...")
    again = Results.create(StackFrames(slicer.util.getNode("cine")))
    assert Ratings(again).of("Anna") == {0: A, 1: R, 2: A}
    assert [one.node for one in ratedTables()] == [again.node]


def test_agreement_is_over_all_cines_and_against_q_not_the_users_verdict() -> None:
    first, second = table("one"), table("two")  # by Q: - + + + - +
    rate(first, "Anna", "-+++-+")
    rate(second, "Anna", "++....")
    rate(first, "Ben", "-+....")
    rate(second, "Ben", "++....")
    first.decide(0, A)
    found = {(one, other): agreement for one, other, agreement in agreements(ratedTables())}
    assert found["Anna", "Ben"].items == 4
    assert found["Anna", "Ben"].observed == 1.0
    against = found["Anna", "verdict by Q"]
    assert (against.items, against.observed) == (8, 7 / 8)
    # by hand: Anna accepts 6 of 8, Q 5 of 8; expected (6 * 5 + 2 * 3) / 64
    assert against.kappa == pytest.approx((7 / 8 - 36 / 64) / (1 - 36 / 64))


def test_export_has_each_rating_and_the_agreement(tmp_path: Path) -> None:
    results = table()
    rate(results, "Anna", "++....")
    rate(results, "=Ben", "-.....")
    ratings, agreement = exportRatings(ratedTables(), tmp_path / "ratings.csv")
    with ratings.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["rater"], row["frame"], row["rating"], row["verdict_of_score"]) for row in rows] == [
        ("'=Ben", "0", R, R),
        ("Anna", "0", A, R),
        ("Anna", "1", A, A),
    ]
    assert float(rows[1]["quality"]) == pytest.approx(QUALITIES[0])
    with agreement.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["rater"], row["other"], row["frames"]) for row in rows] == [
        ("'=Ben", "Anna", "1"),
        ("'=Ben", "verdict by Q", "1"),
        ("Anna", "verdict by Q", "2"),
    ]
    assert rows[0]["observed_agreement"] == "0"
    assert rows[1]["kappa"] == ""


def test_ratings_come_back_with_the_scene(scene: mrml.Scene, tmp_path: Path) -> None:
    results = table()
    rate(results, "Zoë, M.D.", "+-....")
    save_and_reload(tmp_path, scene)
    (again,) = ratedTables()
    assert Ratings(again).of("Zoë, M.D.") == {0: A, 1: R}


# The tab


@pytest.fixture
def rating(clicker: Clicker) -> Clicker:
    """The panel with a scored cine, and its raters' tab."""
    results = table()
    parameters = clicker.panel.session.parameters
    parameters.inputNode = slicer.util.getNode("cine")
    parameters.resultsNode, parameters.chartNode = results.node, ScoreChart.create(results).node
    clicker.panel.views.showChart(parameters.chartNode)
    clicker.panel.session.replaced()
    clicker.panel.session.source.select(0)
    clicker.ui.studySection.collapsed = False
    clicker.panel.study.tabs.setCurrentIndex(2)
    return clicker


def press(clicker: Clicker, name: str) -> None:
    button = getattr(clicker.panel.study.raters, name)
    assert button.isEnabled(), name
    QtTest.QTest.mouseClick(button, QtCore.Qt.LeftButton)


def goTo(clicker: Clicker, frame: int) -> None:
    clicker.panel.session.source.select(frame)
    clicker.passTime()


def beBlind(clicker: Clicker, name: str = "Anna") -> None:
    tab = clicker.panel.study.raters
    tab.raterSelector.setCurrentText(name)
    tab.blindCheckBox.setChecked(True)
    clicker.passTime()


def plotted(clicker: Clicker) -> str | None:
    return slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode().GetPlotChartNodeID()


def columnsSeen(clicker: Clicker) -> list[str]:
    view = clicker.ui.resultsTable
    return [view.horizontalHeaderItem(at).text() for at in range(view.columnCount) if not view.isColumnHidden(at)]


def textsOf(clicker: Clicker) -> str:
    """Return all that the panel says about the frame."""
    ui = clicker.ui
    corner = clicker.panel.views._corner.GetInput()
    return " ".join((ui.frameLabel.text, ui.transformLabel.text, ui.referenceLabel.text, corner))


def test_rating_needs_a_name(rating: Clicker) -> None:
    tab = rating.panel.study.raters
    assert not tab.rateAcceptedButton.isEnabled()
    assert tab.stateLabel.text == "Enter the rater's name."
    tab.raterSelector.setCurrentText("Anna")
    press(rating, "rateAcceptedButton")
    assert tab.stateLabel.text == "Frame 0: rated accepted. 1 of 6 frames of this cine rated by Anna."
    press(rating, "clearRatingButton")
    assert tab.stateLabel.text.startswith("Frame 0: not rated.")
    assert not tab.clearRatingButton.isEnabled()


def test_next_unrated_moves_the_view(rating: Clicker) -> None:
    rating.panel.study.raters.raterSelector.setCurrentText("Anna")
    press(rating, "rateAcceptedButton")
    press(rating, "nextUnratedButton")
    assert rating.panel.session.source.currentIndex() == 1


def test_nothing_tells_the_score_before_the_frame_is_rated(rating: Clicker) -> None:
    assert "Q 0.20" in textsOf(rating)
    assert plotted(rating) is not None
    beBlind(rating)
    assert textsOf(rating).strip() == "Frame 0: rate it to see its score"
    assert set(rating.panel.why.bars.values().values()) == {0}
    assert plotted(rating) is None
    assert columnsSeen(rating) == ["Time (s)"]
    for name in ("bestButton", "nextAcceptedButton", "nextRejectedButton", "explainButton"):
        assert not getattr(rating.ui, name).isEnabled(), name


def test_score_of_a_rated_frame_is_shown_but_no_other(rating: Clicker) -> None:
    beBlind(rating)
    press(rating, "rateRejectedButton")
    assert "Q 0.20" in textsOf(rating)
    assert rating.ui.explainButton.isEnabled()
    assert plotted(rating) is None
    assert columnsSeen(rating) == ["Time (s)"]
    goTo(rating, 2)
    assert textsOf(rating).strip() == "Frame 2: rate it to see its score"


def test_curve_and_table_come_back_once_all_frames_are_rated(rating: Clicker) -> None:
    beBlind(rating)
    for frame in range(len(QUALITIES)):
        goTo(rating, frame)
        press(rating, "rateAcceptedButton")
    assert plotted(rating) is not None
    assert "Quality Q" in columnsSeen(rating)
    assert rating.ui.bestButton.isEnabled()


def test_another_rater_is_blind_to_what_the_first_has_rated(rating: Clicker) -> None:
    beBlind(rating)
    press(rating, "rateAcceptedButton")
    beBlind(rating, "Ben")
    assert textsOf(rating).strip() == "Frame 0: rate it to see its score"
    assert rating.panel.study.raters.stateLabel.text.startswith("Frame 0: not rated. 0 of 6")


def test_study_and_agreement_are_hidden_too(rating: Clicker) -> None:
    from UltrasoundPlaneQCLib.Study import Study

    Study.open().addNodes([slicer.util.getNode("cine")])
    rating.panel.study.refresh()
    cines = rating.panel.study.cines.table.widget
    assert cines.item(0, 2).text() == "0.90"
    rate(rating.panel.session.results, "Ben", "++++++")
    beBlind(rating)
    assert [cines.item(0, column).text() for column in (1, 2, 3)] == ["", "", ""]
    assert rating.panel.study.raters.table.rows == []


def test_blindness_comes_back_with_the_settings(rating: Clicker) -> None:
    beBlind(rating)
    parameters = rating.panel.session.parameters
    assert (parameters.rater, parameters.isBlind) == ("Anna", True)
    parameters.isBlind = False  # as a script does
    rating.passTime()
    assert "Q 0.20" in textsOf(rating)
    assert plotted(rating) is not None


def test_agreement_table_follows_ratings(rating: Clicker) -> None:
    tab = rating.panel.study.raters
    rate(rating.panel.session.results, "Ben", "-+++-+")
    rate(rating.panel.session.results, "Cleo", "++++++")
    rating.panel.study.raters.raterSelector.setCurrentText("Anna")
    press(rating, "rateRejectedButton")
    rating.waitFor(lambda: len(tab.table.rows) == 6)
    rows = {row.texts[:2]: row.texts[2:] for row in tab.table.rows}
    assert rows["Ben", "verdict by Q"] == ("6", "100 %", "1.00")
    assert rows["Anna", "Ben"] == ("1", "100 %", "undefined")
    assert rows["Ben", "Cleo"] == ("6", "67 %", "0.00")


def test_keys_rate_while_the_panel_has_the_focus(rating: Clicker) -> None:
    from test_module import VIEW_KEYS
    from UltrasoundPlaneQCLib.RatersTab import KEYS
    from UltrasoundPlaneQCLib.Shortcuts import KEYS as OTHERS

    assert not set(KEYS) & (set(OTHERS) | VIEW_KEYS)
    tab = rating.panel.study.raters
    tab.raterSelector.setCurrentText("Anna")
    rating.widget.parent.activateWindow()
    rating.panel.shortcuts.focus()
    rating.passTime()
    for key, rated in ((QtCore.Qt.Key_1, {0: A}), (QtCore.Qt.Key_2, {0: R}), (QtCore.Qt.Key_0, {})):
        QtTest.QTest.keyClick(rating.widget.parent.focusWidget(), key)
        assert Ratings(rating.panel.session.results).of("Anna") == rated
    for key, button in KEYS.items():
        assert f"({key})" in getattr(tab, button).toolTip


def test_export_button(rating: Clicker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not rating.panel.study.raters.exportButton.isEnabled()
    rate(rating.panel.session.results, "Ben", "-+++-+")
    rating.panel.study.refresh()
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(tmp_path / "r.csv"))
    press(rating, "exportButton")
    assert (tmp_path / "r.csv").exists()
    assert (tmp_path / "r_agreement.csv").exists()


def test_pairs_are_all_pairs() -> None:
    results = table()
    names = ["Anna", "Ben", "Cleo"]
    for name in names:
        rate(results, name, "++++++")
    found = [(one, other) for one, other, _agreement in agreements(ratedTables())]
    assert found == [*itertools.combinations(names, 2), *((name, "verdict by Q") for name in names)]
