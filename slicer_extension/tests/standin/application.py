"""What the application gives a module: ``slicer.app``, its views, the bases of modules, sample data, tree plugins."""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
import types
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Signal

from .mrml import Scene
from .qtdialect import Dialect
from .rendering import Chart, SliceView

SLICE_VIEWS = ("Red", "Green", "Yellow")


class PlotView(Dialect, QtWidgets.QWidget):
    """The plot view with a real chart, which follows the chart node as Slicer's does; a test can click a point.

    An axis is fitted to the curves when they are added. It does not follow points that are added later.
    """

    dataSelected = Signal(object, object)

    def __init__(self, node: slicer.vtkMRMLPlotViewNode) -> None:
        super().__init__()
        self._node, self._chart, self._shown, self._observation = node, Chart(), None, None
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._onNode())
        node.AddObserver(node.PlotChartNodeChangedEvent, lambda *_: self._onNode())

    def _onNode(self) -> None:
        shown = self._node.GetPlotChartNode()
        if shown is not self._shown:
            if self._shown is not None:
                self._shown.RemoveObserver(self._observation)
            self._shown = shown
            if shown is not None:
                self._observation = shown.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update())
        self._update()

    def _update(self) -> None:
        self._chart.follow(self._shown)

    def chart(self) -> vtk.vtkChartXY:
        """Return the chart."""
        return self._chart.plot

    def draw(self) -> None:
        """Paint the chart, as the application does after each event."""
        self._chart.draw()

    def clickPoint(self, seriesId: str, point: int) -> None:
        """Do what a click on a point of a series does: mark it as selected and say so."""
        series, points, chosen = vtk.vtkStringArray(), vtk.vtkCollection(), vtk.vtkIdTypeArray()
        series.InsertNextValue(seriesId)
        chosen.InsertNextValue(point)
        points.AddItem(chosen)
        curve = self._chart.curves.get(seriesId)
        if curve is not None:
            curve.SetSelection(chosen)
        self.dataSelected.emit(series, points)

    def selected(self) -> list[vtk.vtkPlot]:
        """Return the curves with a point that is marked as selected."""
        curves = self._chart.curves.values()
        return [curve for curve in curves if curve.GetSelection() and curve.GetSelection().GetNumberOfValues()]


class PlotWidget:
    """A plot view with its node."""

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._node = slicer.vtkMRMLPlotViewNode()
        self._node.SetSingletonTag("PlotView1")
        self._node.SetLayoutName("PlotView1")
        self._node = scene.AddNode(self._node)
        self._view = PlotView(self._node)

    def mrmlPlotViewNode(self) -> slicer.vtkMRMLPlotViewNode:
        """Return the node that says which chart is shown."""
        return self._node

    def plotView(self) -> PlotView:
        """Return the view."""
        return self._view


class SliceWidget:
    """A slice view with its nodes."""

    def __init__(self, view: SliceView) -> None:
        self.view = view

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        """Return the logic."""
        return self.view.logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        """Return the node of the view."""
        return self.view.node

    def sliceView(self) -> SliceWidget:
        """Return what draws."""
        return self

    def renderWindow(self) -> vtk.vtkRenderWindow:
        """Return the window of VTK."""
        return self.view.window

    def scheduleRender(self) -> None:
        """Nothing to do: pictures are drawn when they are asked for."""


class LayoutManager(Dialect, QtCore.QObject):
    """Three slice views, whose names come in no particular order, and one plot."""

    layoutChanged = Signal(int)

    def __init__(self, scene: Scene, view: SliceView) -> None:
        super().__init__()
        self.layoutNode = slicer.vtkMRMLLayoutNode()
        self.layoutNode.SetSingletonTag("vtkMRMLLayoutNode")
        self.layoutNode = scene.scene.AddNode(self.layoutNode)
        views = {name: view if name == "Red" else SliceView(scene, name) for name in SLICE_VIEWS}
        self._slices = {name: SliceWidget(made) for name, made in views.items()}
        self.viewOrder = random.sample(SLICE_VIEWS, len(SLICE_VIEWS))
        self._plot = PlotWidget(scene.scene)
        self.showAll()

    def showAll(self) -> None:
        """Choose the application's own layout, with every slice view."""
        self._choose(0, SLICE_VIEWS)

    def _choose(self, layout: int, shown: Sequence[str]) -> None:
        self.layout = layout
        for name, widget in self._slices.items():
            widget.mrmlSliceNode().SetMappedInLayout(name in shown)
        self.layoutChanged.emit(layout)

    def layoutLogic(self) -> LayoutManager:
        """Return what owns the layout node."""
        return self

    def GetLayoutNode(self) -> slicer.vtkMRMLLayoutNode:
        """Return the real node that holds the descriptions of layouts."""
        return self.layoutNode

    def setLayout(self, layout: int) -> None:
        """Choose a layout that has been described."""
        if not self.layoutNode.IsLayoutDescription(layout):
            msg = f"Layout {layout} has no description."
            raise ValueError(msg)
        described = ElementTree.fromstring(self.layoutNode.GetLayoutDescription(layout))
        self._choose(layout, [view.get("singletontag") for view in described.iter("view")])

    def sliceViewNames(self) -> list[str]:
        """Return the names of the slice views."""
        return list(self.viewOrder)

    def sliceWidget(self, name: str) -> SliceWidget:
        """Return the slice view of a name."""
        return self._slices[name]

    @property
    def plotViewCount(self) -> int:
        """Number of plots."""
        return 1

    def plotWidget(self, number: int) -> PlotWidget:
        """Return a plot."""
        return [self._plot][number]


class MainWindow(Dialect, QtWidgets.QMainWindow):
    """The window of the application."""


class ModuleManager(Dialect, QtCore.QObject):
    """Announces modules that go away."""

    moduleAboutToBeUnloaded = Signal(str)


class Application(Dialect, QtCore.QObject):
    """``slicer.app``."""

    startupCompleted = Signal()
    applicationName = "Slicer"

    def __init__(self, scene: Scene, view: SliceView) -> None:
        super().__init__()
        self._modules, self._layouts = ModuleManager(), LayoutManager(scene, view)
        self._window = MainWindow()
        self._window.setObjectName("qSlicerMainWindow")
        self.isTesting, self.extensions = True, None
        place = Path(tempfile.mkdtemp(prefix="settings-")) / "Slicer.ini"
        self._settings = QtCore.QSettings(str(place), QtCore.QSettings.IniFormat)

    def layoutManager(self) -> LayoutManager:
        """Return what arranges the views."""
        return self._layouts

    def moduleManager(self) -> ModuleManager:
        """Return what loads modules."""
        return self._modules

    def extensionsManagerModel(self) -> object:
        """Return what installs extensions; ``None`` where it is switched off, as here."""
        return self.extensions

    def userSettings(self) -> QtCore.QSettings:
        """Return the settings of the user, which no scene contains."""
        return self._settings

    def testingEnabled(self) -> bool:
        """Return whether dialogs are to be skipped."""
        return self.isTesting

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        """Return the windows."""
        return [self._window]

    def processEvents(self) -> None:
        """Let the event loop run."""
        QtWidgets.QApplication.processEvents()

    def mainWindow(self) -> QtWidgets.QMainWindow:
        """Return the main window."""
        return self._window

    def translate(self, context: str, text: str) -> str:
        """Return the text: the application speaks English."""
        return text

    def setOverrideCursor(self, cursor: QtCore.Qt.CursorShape) -> None:
        """Show another cursor."""
        QtWidgets.QApplication.setOverrideCursor(QtGui.QCursor(cursor))

    def restoreOverrideCursor(self) -> None:
        """Show the usual cursor."""
        QtWidgets.QApplication.restoreOverrideCursor()


class ScriptedLoadableModule:
    """Base of a module."""

    def __init__(self, parent: types.SimpleNamespace) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, name: str) -> str:
        """Return the path of a file under ``Resources``."""
        return str(Path(self.parent.path).parent / "Resources" / name)

    def getDefaultModuleDocumentationLink(self) -> str:
        """Return a link to the manual."""
        return ""


class ScriptedLoadableModuleWidget:
    """Base of a module's panel."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent, self.logic = parent, None
        self.layout = QtWidgets.QWidget.layout(parent)
        setattr(slicer.modules, type(self).__name__, self)

    def resourcePath(self, name: str) -> str:
        """Return the path of a file under ``Resources``."""
        return str(Path(getattr(slicer.modules, self.moduleName.lower()).path).parent / "Resources" / name)

    def setup(self) -> None:
        """Make the panel."""

    def cleanup(self) -> None:
        """Take it down."""

    def onReload(self) -> None:
        """Do what the button *Reload* does: Slicer's own function."""
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """Base of a module's logic."""

    def __init__(self, parent: object = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        """Return the one parameter node of the module, made if absent."""
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is not None:
            return found
        node = slicer.vtkMRMLScriptedModuleNode()
        node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetName(self.moduleName)
        return slicer.mrmlScene.AddNode(node)


class SampleDataLogic:
    """Keeps the samples that modules register."""

    registered: ClassVar[list[dict]] = []

    @staticmethod
    def registerCustomSampleDataSource(**sample: object) -> None:
        """Keep one."""
        SampleDataLogic.registered.append(sample)


class DicomDatabase:
    """Files by the number of their instance."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.isOpen = True
        self.series: dict[str, dict[str, dict[str, list[str]]]] = {}  # files by patient, study and series

    def patients(self) -> list[str]:
        """Return the numbers of the patients, which are their names here."""
        return list(self.series)

    def nameForPatient(self, patient: str) -> str:
        """Return the name of a patient."""
        return patient

    def studiesForPatient(self, patient: str) -> list[str]:
        """Return the studies of a patient."""
        return list(self.series[patient])

    def seriesForStudy(self, study: str) -> list[str]:
        """Return the series of a study."""
        return [series for studies in self.series.values() for series in studies.get(study, {})]

    def filesForSeries(self, series: str) -> list[str]:
        """Return the files of a series."""
        every = (found for studies in self.series.values() for found in studies.values())
        return next(found[series] for found in every if series in found)

    def fileForInstance(self, uid: str) -> str:
        """Return the path of a file, empty if it is not in the database."""
        return self.files.get(uid, "")

    def fileValue(self, path: str, tag: str) -> str:
        """Return an element of a file as text, empty if the file has none."""
        import pydicom

        element = pydicom.dcmread(path, stop_before_pixels=True).get(tuple(int(part, 16) for part in tag.split(",")))
        return "" if element is None else str(element.value)


class DICOMUtils:
    """Slicer's functions for the database."""

    @staticmethod
    def importDicom(folder: str, database: DicomDatabase | None = None, copyFiles: bool = False) -> bool:
        """Put the files of a folder into the database; those that are not copied stay where they are."""
        import shutil

        import pydicom

        place = Path(tempfile.mkdtemp(prefix="database-")) if copyFiles else None
        for path in sorted(Path(folder).rglob("*.dcm")):
            kept = path if place is None else Path(shutil.copy(path, place))
            uid = str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            (database or slicer.dicomDatabase).files[uid] = str(kept)
        return True


class TreePlugins:
    """The plugins of the subject hierarchy and its current item."""

    def __init__(self) -> None:
        self.plugins: list[object] = []
        self.chosen = 0

    def instance(self) -> TreePlugins:
        """Return the one there is."""
        return self

    def subjectHierarchyNode(self) -> slicer.vtkMRMLSubjectHierarchyNode:
        """Return the real node."""
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)

    def currentItem(self) -> int:
        """Return the item that was clicked."""
        return self.chosen

    def rightClick(self, node: slicer.vtkMRMLNode) -> list[object]:
        """Return the actions that the menu of a node shows."""
        tree = self.subjectHierarchyNode()
        self.chosen = tree.GetItemByDataNode(node) or tree.CreateItem(tree.GetSceneItemID(), node)
        actions = [action for plugin in self.plugins for action in plugin.itemContextMenuActions()]
        for action in actions:
            action.setVisible(False)
        for plugin in self.plugins:
            plugin.showContextMenuActionsForItem(self.chosen)
        return [action for action in actions if QtCore.QObject.property(action, "visible")]


class AbstractScriptedSubjectHierarchyPlugin:
    """Base of a plugin of the subject hierarchy."""

    def __init__(self, scriptedPlugin: QtCore.QObject) -> None:
        self.scriptedPlugin = scriptedPlugin


def _loadFile(path: Path) -> types.ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _module(name: str, **content: object) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module
    return module


def install(scene: Scene, view: SliceView) -> Application:
    """Make the application's own modules importable and return ``slicer.app``."""
    slicer.app = Application(scene, view)
    bases = (ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic)
    content = {base.__name__: base for base in bases}
    import unittest

    content["ScriptedLoadableModuleTest"] = type("ScriptedLoadableModuleTest", (unittest.TestCase,), {})
    slicer.ScriptedLoadableModule = _module("slicer.ScriptedLoadableModule", **content, __all__=list(content))
    slicer.i18n = _module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text)
    _module("SampleData", SampleDataLogic=SampleDataLogic)
    _module(
        "AbstractScriptedSubjectHierarchyPlugin",
        AbstractScriptedSubjectHierarchyPlugin=AbstractScriptedSubjectHierarchyPlugin,
    )
    colors = types.SimpleNamespace(logic=lambda: scene.logics["Colors"])
    sequences = types.SimpleNamespace(logic=lambda: scene.logics["Sequences"])
    slicer.modules = types.SimpleNamespace(colors=colors, sequences=sequences)
    slicer.dicomDatabase = DicomDatabase()
    _module("DICOMLib", DICOMUtils=DICOMUtils)
    tree = TreePlugins()
    slicer.qSlicerSubjectHierarchyPluginHandler = tree

    class ScriptedPlugin(Dialect, QtCore.QObject):
        """Makes the plugin of a file, as the application does."""

        def setPythonSource(self, path: str) -> None:
            """Load the file; its class has the name of the file."""
            module = _loadFile(Path(path))
            tree.plugins.append(getattr(module, Path(path).stem)(self))

    slicer.qSlicerSubjectHierarchyScriptedPlugin = ScriptedPlugin
    return slicer.app


def loadModule(path: Path) -> Callable[[], object]:
    """Load a scripted module as the application does at start-up; the result makes its panel.

    The panel's Python object is what ``slicer.util.getModuleWidget`` returns from then on.
    """
    name = path.stem
    handle = types.SimpleNamespace(path=str(path), name=name, panel=None, representation=None)
    setattr(slicer.modules, name.lower(), handle)
    described = getattr(_loadFile(path), name)(types.SimpleNamespace(path=str(path)))
    if hasattr(described, "setup"):
        described.setup()
    handle.described = described
    slicer.app.startupCompleted.emit()

    class Representation(slicer.qMRMLWidget):
        """The widget of the application that a panel lives in."""

        def self(self) -> object:
            """Return the Python object."""
            return handle.panel

        def reload(self) -> None:
            """Make the Python object anew, from the code that is loaded now."""
            handle.panel = getattr(sys.modules[name], f"{name}Widget")(self)
            handle.panel.setup()

    def makePanel() -> object:
        handle.representation = Representation()
        QtWidgets.QVBoxLayout(handle.representation)
        handle.representation.reload()
        return handle.panel

    handle.widgetRepresentation = lambda: handle.representation
    handle.logic = lambda: handle.panel.logic
    slicer.qSlicerScriptedLoadableModuleWidget = Representation
    slicer.qSlicerScriptedLoadableModule = type(handle)
    slicer.util.getModule = lambda wanted: getattr(slicer.modules, wanted.lower())
    return makePanel
