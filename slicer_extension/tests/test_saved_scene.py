"""Tests that a saved scene restores its results, and that scenes of older versions open."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from conftest import NUM_FRAMES
from standin import mrml
from UltrasoundPlaneQC import UltrasoundPlaneQCLogic
from UltrasoundPlaneQCLib import Overlays
from UltrasoundPlaneQCLib.FrameSource import openFrames
from UltrasoundPlaneQCLib.Parameters import Parameters, openParameters
from UltrasoundPlaneQCLib.Results import KIND, Results
from UltrasoundPlaneQCLib.ResultsColumns import columnNames
from UltrasoundPlaneQCLib.ScoreChart import ScoreChart


def module_parameters() -> Parameters:
    """Return the parameters in the module's one parameter node, as the panel does."""
    return Parameters(UltrasoundPlaneQCLogic().getParameterNode())


def save_and_reload(folder: Path, scene: mrml.Scene) -> None:
    """Write every node that has data and the scene, then read it into an empty scene, as File > Save does."""
    for number, node in enumerate(slicer.util.getNodesByClass("vtkMRMLStorableNode")):
        if not node.GetSaveWithScene():
            continue
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        if storage is None:
            continue
        storage.SetFileName(str(folder / f"node{number}.{storage.GetDefaultWriteFileExtension()}"))
        assert storage.WriteData(node), node.GetName()
    scene.scene.SetURL(str(folder / "scene.mrml"))
    scene.scene.SetRootDirectory(str(folder))
    assert scene.scene.Commit()
    scene.clear()
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []
    assert scene.scene.Import()
    scene.update()


def test_results_come_back_with_the_scene(browser, scored, scene: mrml.Scene, tmp_path: Path, cine_pixels) -> None:
    before = Results(scored)
    before.applyThreshold(0.3)
    before.decide(2, "rejected")
    expected, before_terms = list(before), before.terms
    source = openFrames(browser)
    Overlays.showResidual(source.volume, 0, np.full(cine_pixels.shape[1:], 0.25, np.float32), frame=2)
    parameters = module_parameters()
    parameters.inputNode, parameters.resultsNode = browser, scored
    parameters.chartNode = next(iter(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")))
    parameters.threshold = 0.3
    save_and_reload(tmp_path, scene)

    again = module_parameters()
    assert again.threshold == 0.3
    results = Results(again.resultsNode)
    assert again.resultsNode.GetAttribute(KIND) == "1"
    assert [result.verdict for result in results] == [result.verdict for result in expected]
    assert results[2].decidedBy == "user"
    assert [result.quality for result in results] == pytest.approx([result.quality for result in expected], abs=1e-5)
    assert results[4].transform == pytest.approx(expected[4].transform)
    assert results[4].crop == expected[4].crop
    assert results[4].normalized == pytest.approx(expected[4].normalized, abs=1e-5)
    assert results.terms == before_terms
    assert results.threshold == 0.3
    source = openFrames(again.inputNode)
    assert source.numFrames == NUM_FRAMES
    np.testing.assert_array_equal(source.frame(6), cine_pixels[6])
    residual = slicer.util.getNode(Overlays.RESIDUAL_NAME)
    assert slicer.util.arrayFromVolume(residual)[0, 5, 5] == 0.25
    assert residual.GetAttribute("STRIQ.frame") == "2"


def test_reloaded_results_go_on_working(browser, scored, scene: mrml.Scene, tmp_path: Path) -> None:
    parameters = module_parameters()
    parameters.resultsNode = scored
    parameters.chartNode = next(iter(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")))
    save_and_reload(tmp_path, scene)
    again = module_parameters()
    results, chart = Results(again.resultsNode), ScoreChart(again.chartNode)
    results.applyThreshold(1.0)
    assert {result.verdict for result in results} == {"rejected"}
    chart.showThresholds([0.9, 0.9])
    chart.showFrame(3)
    assert len(chart.places()) == NUM_FRAMES
    series = again.chartNode.GetNthPlotSeriesNode(0)
    assert chart.frameOfPoint(series.GetID(), 5) == 5
    assert results.exportCsv(tmp_path / "again.csv").read_text().count("\n") == NUM_FRAMES + 1


def test_score_texts_come_back_in_the_browser(browser, scored, scene: mrml.Scene, tmp_path: Path) -> None:
    quality = Results(scored)[5].quality
    save_and_reload(tmp_path, scene)
    source = openFrames(slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")[0])
    source.select(5)
    scene.update()
    texts = [node.GetText() for node in slicer.util.getNodesByClass("vtkMRMLTextNode") if node.GetText()]
    assert any(text.startswith(f"Q {quality:.2f} ") for text in texts)


def test_parameters_have_defaults_and_keep_their_types() -> None:
    parameters = module_parameters()
    assert (parameters.plane, parameters.device, parameters.threshold) == ("auto", "auto", 0.5)
    assert parameters.inputNode is None
    parameters.explainEachFrame = True
    parameters.threshold = 0.25
    again = Parameters(parameters.parameterNode)
    assert again.explainEachFrame is True
    assert again.threshold == 0.25


def test_results_come_back_from_one_file(browser, scored, scene: mrml.Scene, tmp_path: Path) -> None:
    expected = [result.quality for result in Results(scored)]
    path = tmp_path / "scene.mrb"
    assert scene.scene.WriteToMRB(str(path))
    scene.clear()
    assert scene.scene.ReadFromMRB(str(path))
    tables = [node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if node.GetAttribute(KIND)]
    assert [result.quality for result in Results(tables[0])] == pytest.approx(expected, abs=1e-5)


OLDER_COLUMNS = {
    "frame": 0, "time_s": 0.04, "quality": 0.7, "verdict": "accepted", "plane": "a4c",
    "similarity": 0.1, "ncc": 0.2, "plane_probability": 0.8, "decided_by": "score", "error": "",
    "similarity_goodness": 0.9, "ncc_goodness": 0.8,
    "transform": "1 0 0.1 0 1 0", "box": "1 2 30 40", "anchor": "reference.png",
}  # fmt: skip


@pytest.fixture
def older_table(browser) -> slicer.vtkMRMLTableNode:
    """A table of one scored frame with the columns of version 0.1."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "cine quality")
    node.SetAttribute(KIND, "1")
    node.SetAttribute("STRIQ.threshold", "0.5")
    node.AddNodeReferenceID("striqInput", browser.GetID())
    for name, value in OLDER_COLUMNS.items():
        kinds = {int: vtk.vtkIntArray, float: vtk.vtkDoubleArray, str: vtk.vtkStringArray}
        column = kinds[type(value)]()
        column.SetName(name)
        column.SetNumberOfValues(1)
        column.SetValue(0, value)
        node.AddColumn(column)
    return node


def assert_is_upgraded(results: Results) -> None:
    (result,) = results
    assert (result.quality, result.verdict, result.plane) == (pytest.approx(0.7), "accepted", "a4c")
    assert [term.name for term in results.terms] == ["similarity", "ncc"]
    assert result.normalized == pytest.approx({"similarity": 0.9, "ncc": 0.8})
    assert all(math.isnan(weight) for weight in result.weights.values())
    assert result.transform == [1, 0, 0.1, 0, 1, 0]
    assert result.crop == [1, 2, 30, 40]
    assert result.reference == "reference.png"


def test_table_of_an_older_version_opens(older_table, scene: mrml.Scene, tmp_path: Path) -> None:
    save_and_reload(tmp_path, scene)
    (node,) = (node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if node.GetAttribute(KIND))
    results = Results(node)
    assert_is_upgraded(results)
    results.applyThreshold(0.8)
    assert results[0].verdict == "rejected"
    with results.exportCsv(tmp_path / "scores.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["ncc"], row["ncc_normalized"], row["ncc_weight"], row["threshold"]) == ("0.2", "0.8", "", "0.8")


def test_upgraded_table_is_saved_with_its_new_columns(older_table, scene: mrml.Scene, tmp_path: Path) -> None:
    Results(older_table)
    save_and_reload(tmp_path, scene)
    (node,) = (node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if node.GetAttribute(KIND))
    assert not {"box", "anchor", "ncc_goodness"} & set(columnNames(node))
    assert_is_upgraded(Results(node))


def test_overlay_of_an_older_version_becomes_the_reference() -> None:
    node = UltrasoundPlaneQCLogic().getParameterNode()
    Parameters(node).overlay = "anchor"
    assert openParameters(node).overlay == "reference"
