"""The panel of the module: its sections around one session and one timer."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from .Controls import Controls
from .DicomPanel import DicomPanel
from .InstallPanel import InstallPanel
from .LiveHintPanel import LiveHintPanel
from .LivePanel import LivePanel
from .Logic import PlaneQualityLogic
from .Parameters import openParameters
from .RemotePanel import RemotePanel
from .ResultsPanel import ResultsPanel
from .ScorePanel import ScorePanel
from .Sections import MoreSection
from .Session import Session
from .Shortcuts import Shortcuts
from .StudySection import StudySection
from .Views import Views
from .WhyPanel import WhyPanel

TICK_MS = 15  # longest time until a verdict that has arrived is shown


class Panel(VTKObservationMixin):
    """Everything that the user operates.

    Args:
        ui: Controls by name, as ``slicer.util.childWidgetVariables`` gives them.
        widget: The widget that holds them.
        logic: The module's logic; the panel changes the scene only through it.
        parameterNode: Returns the module's parameter node in the scene.
    """

    def __init__(
        self,
        ui: Controls,
        widget: qt.QWidget,
        logic: PlaneQualityLogic,
        parameterNode: Callable[[], slicer.vtkMRMLScriptedModuleNode],
    ) -> None:
        super().__init__()
        self.ui, self._parameterNode = ui, parameterNode
        self._arranged: tuple[bool, bool] | None = None  # with scores, live
        self.timer = qt.QTimer()
        self.timer.setInterval(TICK_MS)
        self.timer.connect("timeout()", self.onTick)
        self.session = Session(logic, openParameters(parameterNode()))
        self.views = Views(lambda series, point: self.results.onPoint(series, point))
        self.score = ScorePanel(ui, self.session, self.views, self.timer)
        self.results = ResultsPanel(ui, self.session, self.views)
        self.why = WhyPanel(ui, self.session, self.timer)
        self.live = LivePanel(ui, self.session, self.views, self.timer)
        self.study = StudySection(ui, self.session, self.timer)
        self.hints = LiveHintPanel(ui, self.session, self.views, self.live)
        self.more = MoreSection(ui)
        ui.studySection.collapsed = self.more.section.collapsed = True
        self.dicom = DicomPanel(self.more, self.session, self.timer)
        self.remote = RemotePanel(ui, self.more, self.session, self.timer)
        self.install = InstallPanel(self.more, self.session, self.timer)
        self.session.listenToReplacement(self.results.showTable)
        self.session.listen(self.arrange)
        self.shortcuts = Shortcuts(ui, widget, self.study.keys())
        self.onSceneReplaced()

    def onSceneReplaced(self) -> None:
        """Show the current scene and follow its parameter node."""
        self.removeObservers()
        node = self._parameterNode()
        self.session.parameters = openParameters(node)
        self.score.showScene()
        for section in (self.results, self.why, self.live, self.hints, self.dicom, self.study):
            section.show()
        self.study.onSceneReplaced()
        if self.session.parameters.chartNode is not None:
            self.views.showChart(self.session.parameters.chartNode)
        self.session.replaced()
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.onParameters)

    def arrange(self) -> None:
        """Open the sections that are of use now, once; the user may open and close them meanwhile."""
        now = (self.session.results is not None, self.session.isLive)
        if now == self._arranged:
            return
        self._arranged = now
        hasScores, isLive = now
        self.ui.resultsSection.collapsed = isLive
        self.ui.whySection.collapsed = isLive or not hasScores
        self.ui.liveSection.collapsed = not isLive

    def onParameters(self, caller: slicer.vtkMRMLNode, event: str) -> None:
        """Show settings that a script or another module has changed."""
        del caller, event
        if not slicer.mrmlScene.IsBatchProcessing():
            for section in (self.score, self.results, self.why, self.live, self.hints, self.dicom, self.study):
                section.show()

    def onTick(self) -> None:
        """Advance all work; without work the timer stops."""
        sections = (self.score, self.why, self.live, self.dicom, self.study, self.remote, self.install)
        isBusy = [section.advance() for section in sections]
        self.results.followModel()
        if not any(isBusy):
            self.timer.stop()

    def onSceneClosing(self) -> None:
        """End all work on the scene, which is about to be closed."""
        self.removeObservers()
        self.live.stop()
        self.hints.forget()
        self.dicom.close()
        self.score.abandon()
        self.study.abandon()
        self.session.logic.explainer.close()
        self.session.removeObservers()

    def close(self) -> None:
        """End all work and restore the views."""
        self.timer.stop()
        self.results.close()
        self.onSceneClosing()
        self.shortcuts.remove()
        self.views.close()
        self.remote.close()
        self.install.close()
        self.session.logic.close()
