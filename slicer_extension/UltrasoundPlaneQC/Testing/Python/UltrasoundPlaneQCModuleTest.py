"""Tests for inside Slicer: the module from its sample to its results. They need the packages installed."""

from __future__ import annotations

import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from UltrasoundPlaneQCLib import Overlays
from UltrasoundPlaneQCLib.FrameSource import openFrames
from UltrasoundPlaneQCLib.Results import Results
from UltrasoundPlaneQCLib.Samples import SAMPLE

MODULE_NAME = "UltrasoundPlaneQC"
PATIENCE_SECONDS = 600


def loadSample() -> slicer.vtkMRMLSequenceBrowserNode:
    """Load the sample and return its browser."""
    sequence = slicer.util.loadSequence(str(SAMPLE))
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        if browser.IsSynchronizedSequenceNode(sequence, True):
            return browser
    raise AssertionError(f"{SAMPLE.name} was loaded without a sequence browser.")


class UltrasoundPlaneQCModuleTest(unittest.TestCase):
    """The module in the application."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear(0)

    def waitFor(self, isDone: Callable[[], bool]) -> None:
        """Let the application run until a condition holds."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not isDone():
            slicer.app.processEvents()
            time.sleep(0.01)
            self.assertLess(time.monotonic(), until)

    def test_sampleHasFramesAndTimes(self) -> None:
        """The sample is a cine."""
        source = openFrames(loadSample())
        self.assertGreaterEqual(source.numFrames, 20)
        self.assertEqual(len(source.timesS or ()), source.numFrames)
        self.assertEqual(source.frame(0).ndim, 2)

    def test_logicScoresTheSample(self) -> None:
        """Scripts get a table with one score per frame."""
        table = slicer.util.getModuleLogic(MODULE_NAME).scoreSequence(loadSample(), device="cpu")
        results = Results(table)
        self.assertTrue(all(0.0 <= result.quality <= 1.0 for result in results))

    def test_panelScoresTheSampleAndFollowsTheBrowser(self) -> None:
        """A user chooses, presses Score and goes to the best frame."""
        slicer.util.selectModule(MODULE_NAME)
        widget = slicer.util.getModuleWidget(MODULE_NAME)
        widget.ui.inputSelector.setCurrentNode(loadSample())
        widget.ui.scoreButton.click()
        self.waitFor(lambda: widget.panel.score.run is None)
        results = widget.panel.session.results
        self.assertTrue(all(result.isScored for result in results))
        self.assertEqual(list(widget.panel.why.bars.values()), [term.name for term in results.terms])
        widget.ui.bestButton.click()
        best = widget.panel.session.source.currentIndex()
        self.assertEqual(best, widget.logic.bestFrame(results))
        widget.ui.thresholdSlider.setValue(1.0)
        self.assertEqual({result.verdict for result in results}, {"rejected"})

    def test_panelExplainsAFrame(self) -> None:
        """A user asks why; the overlay is shown on the frame and removed with the next frame."""
        widget = self.scoreSample()
        widget.ui.overlaySelector.setCurrentText("residual")
        widget.ui.explainButton.click()
        self.waitFor(lambda: bool(Overlays.shownOverlays()))
        source = widget.panel.session.source
        source.select((source.currentIndex() + 1) % source.numFrames)
        self.waitFor(lambda: not Overlays.shownOverlays())

    def test_userOverrulesAndExports(self) -> None:
        """A verdict of the user is exported and can be reverted."""
        widget = self.scoreSample()
        widget.panel.session.source.select(3)
        slicer.app.processEvents()
        widget.ui.rejectButton.click()
        table = widget.panel.session.parameters.resultsNode
        with tempfile.TemporaryDirectory() as folder:
            rows = widget.logic.exportCsv(table, Path(folder) / "scores.csv").read_text().splitlines()
        self.assertIn("rejected", rows[4])
        self.assertIn("user", rows[4])
        widget.ui.revertButton.click()
        self.assertEqual(Results(table)[3].decidedBy, "score")

    def test_liveImagesAreScored(self) -> None:
        """Every new image of a volume gets a verdict, and the recording keeps images and scores together."""
        slicer.util.selectModule(MODULE_NAME)
        widget = slicer.util.getModuleWidget(MODULE_NAME)
        source = openFrames(loadSample())
        volume = slicer.util.addVolumeFromArray(np.array(source.frame(0)[None]), name="Image_Reference")
        widget.ui.liveSelector.setCurrentNode(volume)
        widget.ui.recordCheckBox.setChecked(True)
        widget.ui.liveButton.click()
        live = widget.panel.live.live
        for count in range(3):
            slicer.util.updateVolumeFromArray(volume, np.array(source.frame(count)[None]))
            self.waitFor(lambda count=count: live.scored == count + 1)
        self.assertIn("Q ", widget.ui.liveVerdictLabel.text)
        widget.ui.liveButton.click()
        self.assertEqual(openFrames(slicer.util.getNode("STRIQ recording")).numFrames, 3)

    def scoreSample(self) -> Any:
        """Score the sample in the panel; return the module's widget."""
        slicer.util.selectModule(MODULE_NAME)
        widget = slicer.util.getModuleWidget(MODULE_NAME)
        widget.scoreNode(loadSample())
        self.waitFor(lambda: widget.panel.score.run is None)
        return widget

    def test_resultsComeBackWithTheScene(self) -> None:
        """A saved scene includes the results."""
        widget = self.scoreSample()
        expected = [result.quality for result in widget.panel.session.results]
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear(0)
            slicer.util.loadScene(path)
        found = [result.quality for result in widget.panel.session.results]
        for before, after in zip(expected, found, strict=True):
            self.assertAlmostEqual(before, after, places=4)
