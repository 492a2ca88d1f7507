"""Ultrasound Plane QC: how well ultrasound frames show a standard plane, for cines and live streams."""

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
    """What the application knows about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Ultrasound Plane QC")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Ultrasound")]
        parent.dependencies = ["Sequences", "SubjectHierarchy"]
        parent.contributors = ["STRIQ contributors"]
        parent.helpText = _(
            "Scores how well each frame of an ultrasound cine or live stream shows a standard plane, without labels, "
            "by registering it to reference frames in feature space. Research only, not for diagnosis."
        )
        parent.acknowledgementText = _("STRIQ is open source under the Apache License 2.0.")
        slicer.app.connect("startupCompleted()", registerSample)

    def setup(self):
        """Add the entry in the data tree."""
        from UltrasoundPlaneQCLib import UltrasoundPlaneQCSubjectHierarchyPlugin as plugin

        scripted = slicer.qSlicerSubjectHierarchyScriptedPlugin(None)
        scripted.setPythonSource(plugin.UltrasoundPlaneQCSubjectHierarchyPlugin.filePath)


class UltrasoundPlaneQCWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.panel = None

    def setup(self):
        """Make the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        from UltrasoundPlaneQCLib.Widget import Panel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/UltrasoundPlaneQC.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = UltrasoundPlaneQCLogic()
        self.panel = Panel(self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneGoing)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneReplaced)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneReplaced)

    def scoreNode(self, node):
        """Score a node as if the user had chosen it and pressed *Score*."""
        with slicer.util.tryWithErrorDisplay(_("This cannot be scored.")):
            self.ui.inputSelector.setCurrentNode(openFrames(node).node)
            self.ui.scoreButton.click()

    def onReload(self):
        """Load the parts of the module anew as well; the application does it for this file alone."""
        for name in [name for name in sys.modules if name.split(".")[0] == "UltrasoundPlaneQCLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self):
        """Take the keys while the module is open."""
        self.panel.shortcuts.install()

    def exit(self):
        """Give the keys back."""
        self.panel.shortcuts.remove()

    def onSceneGoing(self, caller, event):
        """Let go of the scene."""
        self.panel.onSceneGoing()

    def onSceneReplaced(self, caller, event):
        """Show the scene that is there now."""
        self.panel.onSceneReplaced()

    def cleanup(self):
        """End all work."""
        self.removeObservers()
        self.panel.close()


class UltrasoundPlaneQCLogic(ScriptedLoadableModuleLogic, PlaneQualityLogic):
    """The module without its panel: ``slicer.util.getModuleLogic("UltrasoundPlaneQC").scoreSequence(node)``."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleLogic.__init__(self, parent)
        PlaneQualityLogic.__init__(self)


class UltrasoundPlaneQCTest(ScriptedLoadableModuleTest):
    """Runs the tests in ``Testing/Python``."""

    def runTest(self):
        """Run them all; the first failure is raised."""
        from UltrasoundPlaneQCLib.SelfTest import runSelfTest

        runSelfTest()
