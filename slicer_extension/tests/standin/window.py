"""A whole window on a real screen: the panel at the left, live views of VTK at the right. It stands in for Slicer's."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtkmodules.qt.QVTKRenderWindowInteractor import QVTKRenderWindowInteractor

from .rendering import SliceView, fillChart, pixmap

TITLE = "Stand-in for 3D Slicer (tests of the STRIQ extension)"
PANEL_WIDTH, REFRESH_MS = 560, 100


class ChartView(QVTKRenderWindowInteractor):
    """The plot view with a real chart: a click on a point says so as Slicer's does."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._context, self._chart = vtk.vtkContextView(), vtk.vtkChartXY()
        self._context.SetRenderWindow(self.GetRenderWindow())
        self._context.SetInteractor(self.GetRenderWindow().GetInteractor())
        self._context.GetScene().AddItem(self._chart)
        self._chart.SetClickActionToButton(vtk.vtkChart.SELECT, vtk.vtkContextMouseEvent.LEFT_BUTTON)  # as Slicer does
        self._chart.AddObserver(vtk.vtkCommand.SelectionChangedEvent, self._onSelection)
        self._plot = slicer.app.layoutManager().plotWidget(0)
        self._shown = None

    def _node(self) -> slicer.vtkMRMLPlotChartNode | None:
        return self._plot.mrmlPlotViewNode().GetPlotChartNode()

    def refresh(self) -> None:
        """Draw the chart node that the plot view shows, if anything of it has changed."""
        node = self._node()
        if node is None:
            return
        series = [node.GetNthPlotSeriesNode(number) for number in range(node.GetNumberOfPlotSeriesNodes())]
        state = (node.GetID(), node.GetMTime(), *(one.GetTableNode().GetTable().GetMTime() for one in series))
        if state != self._shown:
            self._shown = state
            fillChart(self._chart, node)
            self._chart.RecalculateBounds()
            self.GetRenderWindow().Render()

    def _onSelection(self, caller: object, event: str) -> None:
        node = self._node()
        for number in range(self._chart.GetNumberOfPlots()):
            chosen = self._chart.GetPlot(number).GetSelection()
            if chosen is not None and chosen.GetNumberOfValues():
                self._plot.plotView().clickPoint(node.GetNthPlotSeriesNode(number).GetID(), chosen.GetValue(0))

    def placeOf(self, number: int, point: int) -> QtCore.QPoint:
        """Return where the widget shows a point of a curve."""
        table = self._chart.GetPlot(number).GetInput()
        series = self._node().GetNthPlotSeriesNode(number)
        x, y = (
            table.GetColumnByName(name).GetValue(point) for name in (series.GetXColumnName(), series.GetYColumnName())
        )
        low, high = self._chart.GetPoint1(), self._chart.GetPoint2()
        axes = [self._chart.GetAxis(axis) for axis in (vtk.vtkAxis.BOTTOM, vtk.vtkAxis.LEFT)]
        shares = [
            (value - axis.GetMinimum()) / (axis.GetMaximum() - axis.GetMinimum())
            for value, axis in zip((x, y), axes, strict=True)
        ]
        column, row = (low[i] + share * (high[i] - low[i]) for i, share in enumerate(shares))
        return QtCore.QPoint(round(column), self.height() - 1 - round(row))


class SlicePicture(QtWidgets.QWidget):
    """What the slice view of the tests shows, drawn off screen and brought up to date all the time."""

    def __init__(self, parent: QtWidgets.QWidget, view: SliceView) -> None:
        super().__init__(parent)
        self._view, self._picture, self._state = view, QtGui.QPixmap(), None

    def refresh(self) -> None:
        """Draw what the slice view's node says."""
        size = (self.width(), self.height())
        if tuple(self._view.window.GetSize()) != size:
            self._view.window.SetSize(*size)
            self._view.fit()
        if self._view.state() != self._state:
            self._picture = pixmap(self._view.picture())
            self._state = self._view.state()
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint it."""
        painter = QtGui.QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        painter.end()


def makeWindow(panel: QtWidgets.QWidget, view: SliceView, size: QtCore.QSize) -> ChartView:
    """Arrange panel and views in the main window, show it, and return the plot; both views follow their nodes."""
    window = slicer.app.mainWindow()
    window.setWindowTitle(TITLE)
    window.statusBar().showMessage(TITLE)
    scroll = QtWidgets.QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setWidget(panel)
    dock = QtWidgets.QDockWidget("Ultrasound Plane QC")
    dock.setWidget(scroll)
    dock.setMinimumWidth(PANEL_WIDTH)
    window.addDockWidget(QtCore.Qt.LeftDockWidgetArea, dock)
    splitter = QtWidgets.QSplitter(QtCore.Qt.Vertical)
    slices, chart = SlicePicture(splitter, view), ChartView(splitter)
    splitter.addWidget(slices)
    splitter.addWidget(chart)
    splitter.setSizes([650, 350])  # as the module's layout has it
    window.setCentralWidget(splitter)
    window.setGeometry(QtCore.QRect(QtCore.QPoint(0, 0), size))
    window.show()
    chart.Initialize()
    timer = QtCore.QTimer(window)
    timer.setInterval(REFRESH_MS)
    timer.timeout.connect(slices.refresh)
    timer.timeout.connect(chart.refresh)
    timer.start()
    return chart
