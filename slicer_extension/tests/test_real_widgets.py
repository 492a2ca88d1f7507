"""Tests of what the application's own widgets do: hidden views, a table that is stale, axes that are not fitted."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from conftest import FRAME_RATE, MODULE, NUM_FRAMES, Clicker, add_browser, shown
from PySide6 import QtCore, QtWidgets
from standin import mrml
from standin.rendering import SliceView
from timing import slowness, spent
from UltrasoundPlaneQCLib import Overlays, SelfTest
from UltrasoundPlaneQCLib.LiveRecords import LivePlot
from UltrasoundPlaneQCLib.LiveScoring import LiveVerdict
from UltrasoundPlaneQCLib.ScoreChart import ScoreChart

MANY, SOON_SECONDS, TABLE_SECONDS = 10_000, 0.3, 0.2
SCREEN_HEIGHT = 1000
SLICE_VIEWS = ("Red", "Green", "Yellow")


def cell(clicker: Clicker, frame: int, title: str) -> str:
    """Return the text of the table in the row that is labeled with a frame, below a title."""
    table = clicker.ui.resultsTable
    labels = [table.verticalHeaderItem(row).text() for row in range(table.rowCount)]
    titles = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)]
    return table.item(labels.index(str(frame)), titles.index(title)).text()


def views_with_verdict(clicker: Clicker) -> list[str]:
    layouts, corner = slicer.app.layoutManager(), clicker.panel.views._corner
    return [name for name in SLICE_VIEWS if corner in layouts.sliceWidget(name).view.props()]


@pytest.fixture(params=list(permutations(SLICE_VIEWS)), ids="-".join)
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The order in which the application names its slice views, from the start."""
    monkeypatch.setattr(slicer.app.layoutManager(), "viewOrder", list(request.param))
    return request.param


def test_verdict_is_in_the_view_that_the_layout_shows(
    order: tuple[str, ...], clicker: Clicker, browser, tiny_model: Path
) -> None:
    clicker.score(browser, tiny_model)
    assert views_with_verdict(clicker) == ["Red"], order


def test_verdict_moves_with_the_layout(done: Clicker) -> None:
    layouts = slicer.app.layoutManager()
    layouts._choose(8, ["Green"])
    assert views_with_verdict(done) == ["Green"]
    layouts._choose(4, [])
    assert views_with_verdict(done) == []
    layouts.showAll()
    assert views_with_verdict(done) == ["Red"]


def test_table_shows_decisions_and_new_verdicts(done: Clicker) -> None:
    done.ui.thresholdSlider.setValue(1.0)
    done.passTime(TABLE_SECONDS)
    assert {cell(done, frame, "Verdict") for frame in range(NUM_FRAMES)} == {"rejected"}
    done.click("acceptButton")
    assert cell(done, shown(done), "Verdict") == "accepted"
    assert cell(done, shown(done), "Decided by") == "user"


def test_table_shows_scores_while_frames_are_scored(
    clicker: Clicker, scene: mrml.Scene, cine_pixels: np.ndarray, tiny_model: Path
) -> None:
    clicker.choose(add_browser(np.concatenate([cine_pixels] * 12), scene, "long"), tiny_model)
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run.done >= 4)
    clicker.waitFor(lambda: clicker.panel.score.run is None or cell(clicker, 0, "Quality Q") != "nan")
    assert clicker.panel.score.run is not None
    clicker.click("cancelButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)


def test_table_cannot_be_edited_and_labels_its_rows_with_the_frames(done: Clicker) -> None:
    table = done.ui.resultsTable
    assert table.rowCount == NUM_FRAMES
    for row in range(table.rowCount):
        assert not any(
            table.item(row, column).flags() & QtCore.Qt.ItemIsEditable for column in range(table.columnCount)
        )
        assert table.verticalHeaderItem(row).text() == str(row)
    assert cell(done, 1, "Time (s)").startswith(f"{1 / FRAME_RATE:.2f}")
    titles = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)]
    assert not [title for title in titles if "_" in title]


def test_click_on_a_row_shows_its_frame(done: Clicker) -> None:
    for row in (6, 1):
        done.ui.resultsTable.clickRow(row)
        assert shown(done) == row


def verdict_at(timeS: float) -> LiveVerdict:
    return LiveVerdict(0.5, "accepted", "a4c", 1.0, 2.0, timeS)


def test_axis_of_the_live_plot_follows_the_stream(clicker: Clicker) -> None:
    plot, view = LivePlot(), slicer.app.layoutManager().plotWidget(0)
    plot.begin()
    view.mrmlPlotViewNode().SetPlotChartNodeID(plot.chart.GetID())
    for number in range(400):
        plot.add(verdict_at(number / FRAME_RATE), 0.6)
        if number % 40 == 0 or number == 399:
            view.plotView().draw()
            axis = view.plotView().chart().GetAxis(vtk.vtkAxis.BOTTOM)
            first = slicer.util.arrayFromTableColumn(plot.table, "time_s")[0]
            assert axis.GetMinimum() <= first
            assert axis.GetMaximum() >= number / FRAME_RATE


@pytest.fixture
def complaints(tmp_path: Path):
    """Returns what VTK has complained about."""
    before, file = vtk.vtkOutputWindow.GetInstance(), tmp_path / "vtk.txt"
    window = vtk.vtkFileOutputWindow()
    window.SetFileName(str(file))
    window.FlushOn()
    vtk.vtkOutputWindow.SetInstance(window)
    yield lambda: file.read_text() if file.exists() else ""
    vtk.vtkOutputWindow.SetInstance(before)


def test_live_plot_of_few_points_is_drawn_without_errors(clicker: Clicker, complaints) -> None:
    plot, view = LivePlot(), slicer.app.layoutManager().plotWidget(0)
    plot.begin()
    view.mrmlPlotViewNode().SetPlotChartNodeID(plot.chart.GetID())
    for number in range(4):
        view.plotView().draw()
        plot.add(verdict_at(number / FRAME_RATE), 0.6)
    view.plotView().draw()
    assert complaints() == ""
    assert view.plotView().chart().GetNumberOfPlots() == 2


def test_plot_of_a_single_picture_is_drawn_without_errors(
    clicker: Clicker, cine_pixels: np.ndarray, tiny_model: Path, complaints
) -> None:
    clicker.score(slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), name="one"), tiny_model)
    slicer.app.layoutManager().plotWidget(0).plotView().draw()
    assert complaints() == ""


def test_threshold_is_dashed_and_no_legend_lies_over_the_curve(done: Clicker) -> None:
    live = LivePlot()
    live.begin()
    for number in range(3):
        live.add(verdict_at(number / FRAME_RATE), 0.6)
    for chart in (done.panel.session.parameters.chartNode, live.chart):
        limit = chart.GetNthPlotSeriesNode(1)
        assert limit.GetYColumnName() == "threshold"
        assert limit.GetLineStyle() == limit.LineStyleDash
        assert not chart.GetLegendVisibility()


def test_cursor_is_there_from_the_start(clicker: Clicker, browser, tiny_model: Path) -> None:
    browser.SetSelectedItemNumber(4)
    clicker.score(browser, tiny_model)
    lines = ScoreChart(clicker.panel.session.parameters.chartNode)._lines
    assert slicer.util.arrayFromTableColumn(lines, "cursor").tolist() == [0, 1]
    assert slicer.util.arrayFromTableColumn(lines, "cursor x").tolist() == pytest.approx([4 / FRAME_RATE] * 2)


def test_point_that_was_clicked_is_not_marked_any_more(done: Clicker) -> None:
    view = slicer.app.layoutManager().plotWidget(0).plotView()
    view.clickPoint(done.panel.session.parameters.chartNode.GetNthPlotSeriesNode(0).GetID(), 6)
    assert shown(done) == 6
    assert view.selected() == []


def test_model_is_browsed_for_as_a_folder(clicker: Clicker) -> None:
    assert clicker.ui.modelPath.browsesFolders()


def test_label_maps_and_overlays_are_no_inputs(done: Clicker, cine_pixels: np.ndarray) -> None:
    slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), name="labels", nodeClassName="vtkMRMLLabelMapVolumeNode")
    done.click("explainButton")
    done.waitFor(lambda: bool(Overlays.shownOverlays()))
    for selector in (done.ui.inputSelector, done.ui.liveSelector):
        offered = [selector.itemText(number) for number in range(selector.count)]
        assert "labels" not in offered
        assert Overlays.RESIDUAL_NAME not in offered
        assert len(offered) > 1


def heightOf(clicker: Clicker) -> int:
    clicker.passTime(0.1)
    return clicker.widget.parent.minimumSizeHint().height()


def test_panel_fits_a_small_screen(clicker: Clicker, browser, cine_pixels: np.ndarray, tiny_model: Path) -> None:
    assert heightOf(clicker) <= SCREEN_HEIGHT
    assert clicker.ui.liveSection.collapsed
    assert clicker.ui.whySection.collapsed
    clicker.score(browser, tiny_model)
    assert not clicker.ui.whySection.collapsed
    assert heightOf(clicker) <= SCREEN_HEIGHT
    clicker.ui.liveSelector.setCurrentNode(slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), name="Image"))
    clicker.click("liveButton")
    assert not clicker.ui.liveSection.collapsed
    assert heightOf(clicker) <= SCREEN_HEIGHT
    clicker.click("liveButton")
    assert clicker.ui.liveSection.collapsed


def test_heat_map_is_transparent_where_alike_and_has_a_scale(done: Clicker, view: SliceView) -> None:
    source = done.panel.session.source
    view.show(source.volume)
    plain = view.picture()
    residual = np.full(source.frame(0).shape[:2], 0.02, np.float32)
    residual[:, : residual.shape[1] // 2] = np.nan
    node = Overlays.showResidual(source.volume, 0, residual, 0)
    Overlays.showOver(node, source.volume, 1.0)
    np.testing.assert_array_equal(view.picture(), plain)
    residual[:, residual.shape[1] // 2 :] = 2.0
    Overlays.showResidual(source.volume, 0, residual, 0)
    picture = view.picture()
    colors = np.unique(picture[(picture != plain).any(axis=-1)], axis=0)
    assert len(colors) == 1  # that of 2, and none between it and nothing
    assert slicer.modules.colors.logic().GetColorLegendDisplayNode(node) is not None


def test_tests_that_the_module_runs_are_installed() -> None:
    listed = re.findall(r"^  (\S+\.py)$", (MODULE / "CMakeLists.txt").read_text(), re.MULTILINE)
    installed = {MODULE / name.replace("${MODULE_NAME}", MODULE.name) for name in listed}
    found = set(SelfTest.TESTS.glob("*Test.py"))
    assert found
    assert found <= installed


@pytest.fixture
def many(clicker: Clicker, scene: mrml.Scene) -> Clicker:
    """The panel with a cine of 10,000 frames, scored by hand."""
    clicker.ui.inputSelector.setCurrentNode(add_browser(np.zeros((MANY, 8, 8), np.uint8), scene, "many"))
    return clicker


def test_ten_thousand_frames_are_handled_at_once(many: Clicker, capsys: pytest.CaptureFixture) -> None:
    from test_results import TERMS, answer
    from UltrasoundPlaneQCLib.Results import Results

    made, panel = [], many.panel
    create = min(spent(lambda: made.append(Results.create(panel.session.source))) for _ in range(3))
    results = made[-1]
    results.setTerms(TERMS)
    results.store([answer(index, (index * 37 % MANY) / MANY) for index in range(MANY)])
    panel.session.parameters.resultsNode = results.node
    panel.session.parameters.chartNode = ScoreChart.create(results).node
    panel.session.replaced()
    many.passTime()
    fills = many.ui.resultsTable.fills
    tick = max(spent(lambda at=at: many.ui.thresholdSlider.setValue(at)) for at in (0.2, 0.4, 0.6, 0.8))
    assert many.ui.resultsTable.fills == fills
    many.passTime(TABLE_SECONDS)
    assert many.ui.resultsTable.fills == fills + 1
    assert cell(many, MANY - 1, "Verdict") == results[MANY - 1].verdict
    best = min(spent(lambda: many.click("bestButton")) for _ in range(3))
    assert results[shown(many)].quality == (MANY - 1) / MANY
    with capsys.disabled():
        print(f"\n{MANY} frames: create {create:.3f} s, slider {tick:.3f} s, best {best:.3f} s")  # noqa: T201 (a figure)
    assert max(create, tick, best) < SOON_SECONDS * slowness()


def test_every_control_explains_itself_and_has_a_name_of_its_own(clicker: Clicker) -> None:
    kinds = (QtWidgets.QPushButton, QtWidgets.QCheckBox, QtWidgets.QComboBox, QtWidgets.QLineEdit)
    controls = [control for kind in kinds for control in clicker.widget.parent.findChildren(kind)]
    named = [(name, control) for control in controls if (name := control.property("objectName"))]
    named = [(name, control) for name, control in named if not name.startswith("qt_")]  # parts of other controls
    assert len(named) > 20
    assert [name for name, control in named if not control.property("toolTip")] == []
    assert len({name for name, _control in named}) == len(named)
