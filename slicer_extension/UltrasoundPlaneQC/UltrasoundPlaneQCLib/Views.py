"""The application's views: the layout with the plot, the frame upright, the verdict in the corner."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk

from .Judgement import ACCEPTED, REJECTED

LAYOUT_ID = 7301  # any number that no other layout uses
VIEW_NAME = "Red"  # of the slice view in this layout
LAYOUT = """
<layout type="vertical" split="true">
 <item splitSize="650"><view class="vtkMRMLSliceNode" singletontag="Red">
  <property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">R</property>
  <property name="viewcolor" action="default">#F34A33</property>
 </view></item>
 <item splitSize="350"><view class="vtkMRMLPlotViewNode" singletontag="PlotView1">
  <property name="viewlabel" action="default">P</property>
 </view></item>
</layout>
"""
COLORS = {ACCEPTED: (0.25, 0.85, 0.35), REJECTED: (1.0, 0.35, 0.25)}
OTHER_COLOR = (0.85, 0.85, 0.85)


class Views:
    """Changes that the module makes to the application's views.

    Args:
        onPoint: Called with the series and the number of a point of the plot that the user clicks.
    """

    def __init__(self, onPoint: Callable[[str, int], None]) -> None:
        self._onPoint = onPoint
        self._plotView: slicer.qMRMLPlotView | None = None
        self._chart: slicer.vtkMRMLPlotChartNode | None = None  # shown, or hidden for a while
        self._isChartHidden = False
        self._corner = _newCornerText()
        self._renderer: vtk.vtkRenderer | None = None  # of the view that shows the corner text
        self._watched = slicer.app.layoutManager()  # ``None`` without a main window
        if self._watched is not None:
            self._watched.connect("layoutChanged(int)", self._onLayout)

    def showLayout(self, chart: slicer.vtkMRMLPlotChartNode | None) -> None:
        """Show the slice view with a chart below it."""
        manager = slicer.app.layoutManager()
        if manager is None:  # without a main window
            return
        layouts = manager.layoutLogic().GetLayoutNode()
        if not layouts.IsLayoutDescription(LAYOUT_ID):
            layouts.AddLayoutDescription(LAYOUT_ID, LAYOUT)
        manager.setLayout(LAYOUT_ID)
        self.showChart(chart)

    def showChart(self, chart: slicer.vtkMRMLPlotChartNode | None) -> None:
        """Show a chart in the plot view, unless charts are hidden, and listen to clicks on it."""
        self._chart = chart
        if self._isChartHidden:
            chart = None
        manager = slicer.app.layoutManager()
        if manager is None or manager.plotViewCount == 0:
            return
        widget = manager.plotWidget(0)
        widget.mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID() if chart else None)
        if self._plotView is None:
            self._plotView = widget.plotView()
            self._plotView.connect("dataSelected(vtkStringArray*, vtkCollection*)", self._onSelected)

    def hideChart(self, isHidden: bool) -> None:
        """Hide the chart, as from a rater, or show it again."""
        if isHidden != self._isChartHidden:
            self._isChartHidden = isHidden
            known = self._chart
            self.showChart(known if known is not None and known.GetScene() is not None else None)

    def _onSelected(self, series: vtk.vtkStringArray, points: vtk.vtkCollection) -> None:
        for number in range(series.GetNumberOfValues()):
            chosen = points.GetItemAsObject(number)
            if chosen is not None and chosen.GetNumberOfValues():
                self._onPoint(series.GetValue(number), chosen.GetValue(0))
        self._deselect()

    def _deselect(self) -> None:
        """Take the mark of selection off the point; the cursor shows the frame."""
        if self._plotView is None:
            return
        chart = self._plotView.chart()
        for number in range(chart.GetNumberOfPlots()):
            chart.GetPlot(number).SetSelection(None)

    def showVolume(self, volume: slicer.vtkMRMLVolumeNode | None) -> None:
        """Show a volume in the slice views as it is stored: upright, whatever its direction in space."""
        manager = slicer.app.layoutManager()
        if manager is None or volume is None:
            return
        for name in manager.sliceViewNames():
            logic = manager.sliceWidget(name).sliceLogic()
            logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
            turnUpright(manager.sliceWidget(name).mrmlSliceNode(), volume)
            logic.FitSliceToBackground()

    def showVerdict(self, text: str, verdict: str) -> None:
        """Write a verdict into the corner of a slice view that the layout shows; an empty text removes it."""
        self._corner.SetInput(text)
        self._corner.GetTextProperty().SetColor(*COLORS.get(verdict, OTHER_COLOR))
        self._placeCorner(_shownSliceView())

    def _onLayout(self, layout: int) -> None:
        del layout
        self._placeCorner(_shownSliceView())

    def _placeCorner(self, view: slicer.qMRMLSliceView | None) -> None:
        """Move the corner text to a view; ``None`` takes it away."""
        renderer = None if view is None else view.renderWindow().GetRenderers().GetFirstRenderer()
        if renderer is not self._renderer:
            if self._renderer is not None:
                self._renderer.RemoveViewProp(self._corner)
            if renderer is not None:
                renderer.AddViewProp(self._corner)
            self._renderer = renderer
        if view is not None:
            view.scheduleRender()

    def close(self) -> None:
        """Remove the verdict and stop listening to the plot and the layout."""
        if self._plotView is not None:
            self._plotView.disconnect("dataSelected(vtkStringArray*, vtkCollection*)", self._onSelected)
            self._plotView = None
        if self._watched is not None:
            self._watched.disconnect("layoutChanged(int)", self._onLayout)
            self._watched = None
        self.showVerdict("", "")
        self._placeCorner(None)


def _shownSliceView() -> slicer.qMRMLSliceView | None:
    """Return a slice view that the layout shows, the module's own first; ``None`` if it shows none.

    The names of the views come in no particular order, those of hidden views among them.
    """
    manager = slicer.app.layoutManager()
    if manager is None:  # without a main window
        return None
    for name in sorted(manager.sliceViewNames(), key=lambda name: (name != VIEW_NAME, name)):
        widget = manager.sliceWidget(name)
        if widget.mrmlSliceNode().IsMappedInLayout():
            return widget.sliceView()
    return None


def turnUpright(sliceNode: slicer.vtkMRMLSliceNode, volume: slicer.vtkMRMLVolumeNode) -> None:
    """Orient a slice view along the picture: columns to the right, rows downwards."""
    toRas = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(toRas)
    parent = volume.GetParentTransformNode()
    if parent is not None:
        toWorld = vtk.vtkMatrix4x4()
        if parent.GetMatrixTransformToWorld(toWorld):
            vtk.vtkMatrix4x4.Multiply4x4(toWorld, toRas, toRas)
    along, down = ([toRas.GetElement(row, column) for row in range(3)] for column in (0, 1))
    vtk.vtkMath.Normalize(along)
    vtk.vtkMath.Normalize(down)
    normal = [0.0, 0.0, 0.0]
    vtk.vtkMath.Cross(along, [-value for value in down], normal)
    origin = [toRas.GetElement(row, 3) for row in range(3)]
    sliceNode.SetSliceToRASByNTP(*normal, *along, *origin, 0)


def _newCornerText() -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    properties = actor.GetTextProperty()
    properties.SetFontSize(26)
    properties.BoldOn()
    properties.ShadowOn()
    properties.SetJustificationToRight()
    properties.SetVerticalJustificationToTop()
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    actor.SetPosition(0.98, 0.97)
    return actor
