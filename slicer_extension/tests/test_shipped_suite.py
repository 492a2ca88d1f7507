"""Run the suite in ``Testing/Python``, which is made for the application, on the stand-in."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

import pytest
import slicer
from conftest import MODULE, Clicker, add_sequence_browser
from standin import mrml
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder
from UltrasoundPlaneQCLib.SelfTest import runSelfTest


@pytest.fixture
def application(clicker: Clicker, scene: mrml.Scene, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> mrml.Scene:
    """What the suite needs of ``slicer.util``; the small model takes the place of the shipped one."""
    request = ModelHolder.request

    def loadSequence(path: str) -> slicer.vtkMRMLSequenceNode:
        sequence = scene.logics["Sequences"].AddSequence(path, slicer.vtkMRMLMessageCollection())
        add_sequence_browser(sequence, scene)
        return sequence

    def loadScene(path: str) -> None:
        assert scene.scene.ReadFromMRB(path)
        scene.update()

    monkeypatch.setattr(
        ModelHolder, "request", lambda self, model, device: request(self, model or str(tiny_model), device)
    )
    monkeypatch.setattr(slicer.util, "loadSequence", loadSequence)
    monkeypatch.setattr(slicer.util, "saveScene", lambda path: scene.scene.WriteToMRB(path))
    monkeypatch.setattr(slicer.util, "loadScene", loadScene)
    monkeypatch.setattr(slicer.util, "selectModule", lambda name: None)
    return scene


def test_suite_passes(application: mrml.Scene, capfd: pytest.CaptureFixture[str]) -> None:
    runSelfTest()
    said = capfd.readouterr().err
    assert "Ran 7 tests" in said
    assert "OK" in said


def test_suite_reports_what_fails(application: mrml.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(MODULE / "Testing" / "Python"))
    suite = sys.modules.get("UltrasoundPlaneQCModuleTest") or __import__("UltrasoundPlaneQCModuleTest")

    def fail(self: unittest.TestCase) -> None:
        self.fail("on purpose")

    monkeypatch.setattr(suite.UltrasoundPlaneQCModuleTest, "test_sampleHasFramesAndTimes", fail)
    with pytest.raises(AssertionError, match=r"1 of 7 tests failed: .*test_sampleHasFramesAndTimes"):
        runSelfTest()
