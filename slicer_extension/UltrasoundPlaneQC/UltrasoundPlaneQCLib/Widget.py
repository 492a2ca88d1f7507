"""The panel of the module: its sections around one session and one timer."""

from __future__ import annotations

import qt

from .LivePanel import LivePanel
from .Parameters import Parameters
from .ScorePanel import ScorePanel
from .Session import Session
from .Shortcuts import Shortcuts
from .Views import Views
from .WhyPanel import WhyPanel

TICK_MS = 15  # a live image waits at most this long for its verdict to be shown


class Panel:
    """Everything the user touches.

    Args:
        ui: Controls by name, as ``slicer.util.childWidgetVariables`` gives them.
        logic: The module's logic; the panel does nothing to the scene but through it.
    """

    def __init__(self, ui, logic):
        self.timer = qt.QTimer()
        self.timer.setInterval(TICK_MS)
        self.timer.connect("timeout()", self.onTick)
        self.session = Session(logic, Parameters(logic.getParameterNode()))
        self.views = Views(lambda series, point: self.score.onPoint(series, point))
        self.score = ScorePanel(ui, self.session, self.views, self.timer)
        self.why = WhyPanel(ui, self.session, self.timer)
        self.live = LivePanel(ui, self.session, self.views, self.timer)
        self.shortcuts = Shortcuts(ui)
        self.show()

    def show(self):
        """Show what the scene holds."""
        self.score.show()
        self.why.show()
        self.live.show()
        if self.session.parameters.chartNode is not None:
            self.views.showChart(self.session.parameters.chartNode)

    def onTick(self):
        """Go on with the work there is; without work the timer stops."""
        isBusy = [section.advance() for section in (self.score, self.why, self.live)]
        if not any(isBusy):
            self.timer.stop()

    def onSceneReplaced(self):
        """Begin with the parameter node of the scene that is there now."""
        self.session.parameters = Parameters(self.session.logic.getParameterNode())
        self.show()

    def onSceneGoing(self):
        """Leave the nodes of the scene alone: it is about to be closed."""
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
