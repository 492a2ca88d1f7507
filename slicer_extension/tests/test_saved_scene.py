"""Tests that a saved scene comes back with its results: nothing lives outside the nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import NUM_FRAMES
from standin import mrml
from UltrasoundPlaneQC import UltrasoundPlaneQCLogic
from UltrasoundPlaneQCLib import Overlays
from UltrasoundPlaneQCLib.FrameSource import openFrames
from UltrasoundPlaneQCLib.Parameters import Parameters
from UltrasoundPlaneQCLib.Results import KIND, Results
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
    before.rejudge(0.3)
    before.decide(2, "rejected")
    expected = list(before)
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
    assert results[4].box == expected[4].box
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
    results.rejudge(1.0)
    assert {result.verdict for result in results} == {"rejected"}
    chart.showThreshold(0.9)
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
