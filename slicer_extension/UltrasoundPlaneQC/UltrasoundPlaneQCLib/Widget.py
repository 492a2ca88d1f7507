"""The panel of the module: its sections around one session and one timer."""

from __future__ import annotations

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from .LivePanel import LivePanel
from .Parameters import Parameters
from .ResultsPanel import ResultsPanel
from .ScorePanel import ScorePanel
from .Session import Session
from .Shortcuts import Shortcuts
from .Views import Views
from .WhyPanel import WhyPanel

TICK_MS = 15  # a live image waits at most this long for its verdict to be shown


class Panel(VTKObservationMixin):
    """Everything the user touches.

    Args:
        ui: Controls by name, as ``slicer.util.childWidgetVariables`` gives them.
        logic: The module's logic; the panel does nothing to the scene but through it.
    """

    def __init__(self, ui, logic):
        super().__init__()
        self.timer = qt.QTimer()
        self.timer.setInterval(TICK_MS)
        self.timer.connect("timeout()", self.onTick)
        self.session = Session(logic, None)
        self.views = Views(lambda series, point: self.results.onPoint(series, point))
        self.score = ScorePanel(ui, self.session, self.views, self.timer)
        self.results = ResultsPanel(ui, self.session, self.views)
        self.why = WhyPanel(ui, self.session, self.timer)
        self.live = LivePanel(ui, self.session, self.views, self.timer)
        self.session.listenToReplacement(self.results.showTable)
        self.shortcuts = Shortcuts(ui)
        self.onSceneReplaced()

    def onSceneReplaced(self):
        """Show what the scene holds that is there now, and follow its parameter node."""
        self.removeObservers()
        node = self.session.logic.getParameterNode()
        self.session.parameters = Parameters(node)
        self.score.showScene()
        for section in (self.results, self.why, self.live):
            section.show()
        if self.session.parameters.chartNode is not None:
            self.views.showChart(self.session.parameters.chartNode)
        self.session.replaced()
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.onParameters)

    def onParameters(self, caller, event):
        """Show what a script, or another module, has written into the parameter node."""
        del caller, event
        if not slicer.mrmlScene.IsBatchProcessing():
            for section in (self.score, self.results, self.why, self.live):
                section.show()

    def onTick(self):
        """Go on with the work there is; without work the timer stops."""
        isBusy = [section.advance() for section in (self.score, self.why, self.live)]
        self.results.followModel()
        if not any(isBusy):
            self.timer.stop()

    def onSceneGoing(self):
        """Leave the nodes of the scene alone: it is about to be closed."""
        self.removeObservers()
        self.live.stop()
        self.score.abandon()
        self.session.logic.explainer.close()
        self.session.removeObservers()

    def close(self):
        """End all work and give the views back."""
        self.timer.stop()
        self.onSceneGoing()
        self.shortcuts.remove()
        self.views.close()
        self.session.logic.close()
