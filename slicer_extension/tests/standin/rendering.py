"""Slice views and plots drawn off screen from real nodes; the application would do it in its windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import vtk
from PySide6 import QtGui
from vtk.util.numpy_support import vtk_to_numpy

from .mrml import Scene

MANAGERS = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLVolumeGlyphSliceDisplayableManager")


class SliceView:
    """One slice view."""

    def __init__(self, scene: Scene, name: str = "Red", size: tuple[int, int] = (480, 400)) -> None:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(scene.application)
        for manager in MANAGERS:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self._application = scene.application
        self._renderer, self.window = _offscreen(size)
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.Initialize(factory, self._renderer)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(scene.application)
        scene.application.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene.scene)
        self.node = self.logic.AddSliceNode(name)
        self._group.SetMRMLDisplayableNode(self.node)
        self.node.SetOrientation("Axial")
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(self._actor)

    def reset(self) -> None:
        """Show nothing, from above, as after File > Close Scene."""
        composite = self.logic.GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(None)
        composite.SetForegroundVolumeID(None)
        self.node.SetOrientation("Axial")
        self.node.SetSliceOrigin(0, 0, 0)

    def show(self, volume: slicer.vtkMRMLVolumeNode) -> None:
        """Show a volume in the background and fit the view to it."""
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        self.fit()

    def fit(self) -> None:
        """Fit the view to its background."""
        self.logic.ResizeSliceNode(*self.window.GetSize())
        self.logic.FitSliceToBackground()
        self.logic.SnapSliceOffsetToIJK()

    def props(self) -> list[vtk.vtkProp]:
        """Return what is drawn over the slice."""
        found = self._renderer.GetViewProps()
        return [found.GetItemAsObject(number) for number in range(found.GetNumberOfItems())]

    def removeBut(self, kept: list[vtk.vtkProp]) -> None:
        """Take everything away that is drawn over the slice but some."""
        for prop in self.props():
            if prop not in kept:
                self._renderer.RemoveViewProp(prop)

    def state(self) -> tuple[int, ...]:
        """Return something that differs whenever a picture would."""
        composite = self.logic.GetSliceCompositeNode()
        volumes = (composite.GetNthNodeReference(role, 0) for role in ("backgroundVolume", "foregroundVolume"))
        parts = [self.node, composite, *(volume for volume in volumes if volume is not None), *self.props()]
        return (*self.window.GetSize(), *(part.GetMTime() for part in parts))

    def draw(self) -> None:
        """Draw the slice as its node says."""
        source = self.logic.GetImageDataConnection()
        self._mapper.SetInputConnection(source)
        self._actor.SetVisibility(source is not None)
        self.window.Render()

    def picture(self) -> np.ndarray:
        """Return what the view shows, shape ``(H, W, 3)``, row 0 at the top."""
        self.draw()
        return grab(self.window)

    def pixelOf(self, ras: tuple[float, float, float]) -> tuple[int, int]:
        """Return the row and column of the picture at which a point lies."""
        toView = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), toView)
        x, y, _, _ = toView.MultiplyPoint((*ras, 1.0))
        return self.window.GetSize()[1] - 1 - round(y), round(x)


def _offscreen(size: tuple[int, int]) -> tuple[vtk.vtkRenderer, vtk.vtkRenderWindow]:
    renderer, window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(*size)
    window.AddRenderer(renderer)
    interactor = vtk.vtkRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    interactor.Initialize()
    return renderer, window


def grab(window: vtk.vtkRenderWindow) -> np.ndarray:
    """Return the content of a window, row 0 at the top."""
    window.Render()  # the one before may only have brought the nodes up to date
    reader = vtk.vtkWindowToImageFilter()
    reader.SetInput(window)
    reader.ReadFrontBufferOff()
    reader.Update()
    image = reader.GetOutput()
    columns, rows, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3].copy()


def drawChart(chart: slicer.vtkMRMLPlotChartNode, size: tuple[int, int] = (480, 260)) -> np.ndarray:
    """Return the picture of a chart node as Slicer's plot view draws it."""
    view = vtk.vtkContextView()
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(*size)
    view.SetRenderWindow(window)
    plot = vtk.vtkChartXY()
    view.GetScene().AddItem(plot)
    fillChart(plot, chart)
    picture = grab(window)
    window.Finalize()
    return picture


def fillChart(plot: vtk.vtkChartXY, chart: slicer.vtkMRMLPlotChartNode) -> None:
    """Give a chart of VTK the curves and axes of a chart node."""
    plot.ClearPlots()
    _setAxes(plot, chart)
    for number in range(chart.GetNumberOfPlotSeriesNodes()):
        _styleCurve(plot.AddPlot(vtk.vtkChart.LINE), chart.GetNthPlotSeriesNode(number))


def _setAxes(plot: vtk.vtkChartXY, chart: slicer.vtkMRMLPlotChartNode) -> None:
    plot.SetShowLegend(chart.GetLegendVisibility())
    plot.SetTitle(chart.GetTitle() or "")
    for place, title, isAuto, span in (
        (vtk.vtkAxis.BOTTOM, chart.GetXAxisTitle(), chart.GetXAxisRangeAuto(), chart.GetXAxisRange()),
        (vtk.vtkAxis.LEFT, chart.GetYAxisTitle(), chart.GetYAxisRangeAuto(), chart.GetYAxisRange()),
    ):
        axis = plot.GetAxis(place)
        axis.SetTitle(title or "")
        axis.SetBehavior(vtk.vtkAxis.AUTO if isAuto else vtk.vtkAxis.FIXED)
        if not isAuto:
            axis.SetUnscaledRange(*span)


class Chart:
    """A chart of VTK that follows a chart node as Slicer's plot view does: curves stay, with what is selected."""

    def __init__(self) -> None:
        self._context, self._window = vtk.vtkContextView(), vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(480, 260)
        self._context.SetRenderWindow(self._window)
        self.plot = vtk.vtkChartXY()
        self._context.GetScene().AddItem(self.plot)
        self.curves: dict[str, vtk.vtkPlot] = {}

    def follow(self, chart: slicer.vtkMRMLPlotChartNode | None) -> None:
        """Show the curves and axes of a chart node."""
        numbers = range(0 if chart is None else chart.GetNumberOfPlotSeriesNodes())
        series = {node.GetID(): node for node in (chart.GetNthPlotSeriesNode(number) for number in numbers)}
        for name in self.curves.keys() - series.keys():
            self.plot.RemovePlotInstance(self.curves.pop(name))
        for name, node in series.items():
            table = node.GetTableNode()
            if table is None or table.GetTable().GetColumnByName(node.GetYColumnName()) is None:
                continue
            if name not in self.curves:
                self.curves[name] = self.plot.AddPlot(vtk.vtkChart.LINE)
            _styleCurve(self.curves[name], node)
        if chart is not None:
            _setAxes(self.plot, chart)

    def draw(self) -> None:
        """Paint it."""
        self._window.Render()


def _styleCurve(curve: vtk.vtkPlot, series: slicer.vtkMRMLPlotSeriesNode) -> None:
    curve.SetLabel(series.GetName())
    curve.SetInputData(series.GetTableNode().GetTable(), series.GetXColumnName(), series.GetYColumnName())
    curve.SetColorF(*series.GetColor())
    curve.SetWidth(series.GetLineWidth())
    isDashed = series.GetLineStyle() == series.LineStyleDash
    curve.GetPen().SetLineType(vtk.vtkPen.DASH_LINE if isDashed else vtk.vtkPen.SOLID_LINE)
    hasMarkers = series.GetMarkerStyle() == series.MarkerStyleCircle
    curve.SetMarkerStyle(vtk.vtkPlotPoints.CIRCLE if hasMarkers else vtk.vtkPlotPoints.NONE)


def pixmap(picture: np.ndarray) -> QtGui.QPixmap:
    """Return a picture in the form that Qt paints."""
    height, width, _ = picture.shape
    content = np.ascontiguousarray(picture)
    return QtGui.QPixmap.fromImage(QtGui.QImage(content.data, width, height, 3 * width, QtGui.QImage.Format_RGB888))


def writePng(path: Path, picture: np.ndarray) -> None:
    """Write a picture."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
