"""Ultrasound Plane QC: scores how well ultrasound frames show a standard plane, in cines and live streams."""

from __future__ import annotations

import sys

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin
from UltrasoundPlaneQCLib.FrameSource import openFrames
from UltrasoundPlaneQCLib.Logic import PlaneQualityLogic
from UltrasoundPlaneQCLib.Samples import registerSample


class UltrasoundPlaneQC(ScriptedLoadableModule):
    """Description of the module for the application."""

    def __init__(self, parent: object) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Ultrasound Plane QC")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Ultrasound")]
        self.parent.dependencies = ["Sequences", "SubjectHierarchy"]
        self.parent.contributors = ["STRIQ contributors"]
        self.parent.helpText = _(
            "Scores how well each frame of an ultrasound cine or live stream shows a standard plane, without labels, "
            "by registering it to reference frames in feature space. Research only, not for diagnosis."
        )
        self.parent.acknowledgementText = _("STRIQ is open source under the Apache License 2.0.")
        slicer.app.connect("startupCompleted()", registerSample)

    def setup(self) -> None:
        """Add the entry to the data tree's context menu."""
        from UltrasoundPlaneQCLib import UltrasoundPlaneQCSubjectHierarchyPlugin as plugin

        scripted = slicer.qSlicerSubjectHierarchyScriptedPlugin(None)
        scripted.setPythonSource(plugin.UltrasoundPlaneQCSubjectHierarchyPlugin.filePath)


class UltrasoundPlaneQCWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel."""

    def __init__(self, parent: object = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self) -> None:
        """Make the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        from UltrasoundPlaneQCLib.Widget import Panel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/UltrasoundPlaneQC.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = UltrasoundPlaneQCLogic()
        self.panel = Panel(self.ui, uiWidget, self.logic, self.logic.getParameterNode)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneClosing)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneReplaced)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneReplaced)

    def scoreNode(self, node: slicer.vtkMRMLNode | None) -> None:
        """Score a node as if the user had chosen it and pressed *Score*."""
        with slicer.util.tryWithErrorDisplay(_("This cannot be scored.")):
            self.ui.inputSelector.setCurrentNode(openFrames(node).node)
            self.ui.scoreButton.click()

    def onReload(self) -> None:
        """Reload the module's library as well; the application reloads only this file."""
        for name in [name for name in sys.modules if name.split(".")[0] == "UltrasoundPlaneQCLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self) -> None:
        """Make the keys work at once."""
        self.panel.shortcuts.focus()

    def onSceneClosing(self, caller: slicer.vtkMRMLScene, event: str) -> None:
        """End all work on the scene."""
        self.panel.onSceneClosing()

    def onSceneReplaced(self, caller: slicer.vtkMRMLScene, event: str) -> None:
        """Show the new scene."""
        self.panel.onSceneReplaced()

    def cleanup(self) -> None:
        """End all work."""
        self.removeObservers()
        self.panel.close()


class UltrasoundPlaneQCLogic(ScriptedLoadableModuleLogic, PlaneQualityLogic):
    """The module without its panel: ``slicer.util.getModuleLogic("UltrasoundPlaneQC").scoreSequence(node)``."""

    def __init__(self, parent: object = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self, parent)
        PlaneQualityLogic.__init__(self)


class UltrasoundPlaneQCTest(ScriptedLoadableModuleTest):
    """Tests in ``Testing/Python``."""

    def runTest(self) -> None:
        """Run all tests."""
        from UltrasoundPlaneQCLib.SelfTest import runSelfTest

        runSelfTest()
