"""The few controls of CTK and Slicer that the module's ``.ui`` file names, on plain Qt and real nodes."""

from __future__ import annotations

import sys
import types
import xml.etree.ElementTree as ElementTree

import slicer
import vtk
from PySide6 import QtCore, QtUiTools, QtWidgets
from PySide6.QtCore import Property, Signal

from .qtdialect import Dialect, QtModule


class ctkCollapsibleButton(Dialect, QtWidgets.QWidget):
    """A section with a title; collapsing it hides its content."""

    contentsCollapsed = Signal(bool)
    TITLE_HEIGHT = 24

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._isCollapsed = "", False
        self.setContentsMargins(0, self.TITLE_HEIGHT, 0, 0)

    def _setTitle(self, title: str) -> None:
        self._title = title
        self.update()

    def _setCollapsed(self, isCollapsed: bool) -> None:
        self._isCollapsed = isCollapsed
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly):
            child.setVisible(not isCollapsed)
        self.contentsCollapsed.emit(isCollapsed)

    text = Property(str, lambda self: self._title, _setTitle)
    collapsed = Property(bool, lambda self: self._isCollapsed, _setCollapsed)

    def paintEvent(self, event: object) -> None:
        """Draw the title."""
        from PySide6 import QtGui

        painter = QtGui.QPainter(self)
        isDark = self.palette.color(QtGui.QPalette.Window).lightness() < 128
        title = QtGui.QColor("#3b4554" if isDark else "#d7dde5")
        painter.fillRect(0, 0, self.size.width(), self.TITLE_HEIGHT - 4, title)
        painter.drawText(6, self.TITLE_HEIGHT - 9, ("▸ " if self._isCollapsed else "▾ ") + self._title)
        painter.end()


class ctkSliderWidget(Dialect, QtWidgets.QWidget):
    """A slider beside a number."""

    valueChanged = Signal(float)
    STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.slider, self.spinBox = QtWidgets.QSlider(QtCore.Qt.Horizontal), QtWidgets.QDoubleSpinBox()
        self.slider.setRange(0, self.STEPS)
        row.addWidget(self.slider)
        row.addWidget(self.spinBox)
        self.spinBox.valueChanged.connect(self._follow)
        self.slider.sliderMoved.connect(self._move)

    def _span(self) -> float:
        return self.spinBox.maximum() - self.spinBox.minimum()

    def _follow(self, value: float) -> None:
        self.slider.setValue(round(self.STEPS * (value - self.spinBox.minimum()) / self._span()))
        self.valueChanged.emit(value)

    def _move(self, step: int) -> None:
        self.spinBox.setValue(self.spinBox.minimum() + step / self.STEPS * self._span())

    def setValue(self, value: float) -> None:
        """Set the number."""
        self.spinBox.setValue(value)

    value = Property(float, lambda self: self.spinBox.value(), setValue)
    minimum = Property(float, lambda self: self.spinBox.minimum(), lambda self, to: self.spinBox.setMinimum(to))
    maximum = Property(float, lambda self: self.spinBox.maximum(), lambda self, to: self.spinBox.setMaximum(to))
    singleStep = Property(
        float, lambda self: self.spinBox.singleStep(), lambda self, to: self.spinBox.setSingleStep(to)
    )
    decimals = Property(int, lambda self: self.spinBox.decimals(), lambda self, to: self.spinBox.setDecimals(to))


class ctkPathLineEdit(Dialect, QtWidgets.QLineEdit):
    """A line for a path with a button that browses: for files if the filters have files, else for folders."""

    currentPathChanged = Signal(str)

    Dirs, Files, Readable = 0x01, 0x02, 0x10

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters = self.Dirs | self.Files | self.Readable  # as a new one has them
        self.textChanged.connect(self.currentPathChanged)

    def setCurrentPath(self, path: str) -> None:
        """Set the path."""
        self.setText(path)

    currentPath = Property(str, lambda self: QtWidgets.QLineEdit.text(self), setCurrentPath)
    filters = Property(int, lambda self: self._filters, lambda self, value: setattr(self, "_filters", value))

    def browsesFolders(self) -> bool:
        """Return whether the button opens a dialog for folders."""
        return not self._filters & self.Files


class qMRMLWidget(Dialect, QtWidgets.QWidget):
    """A widget that announces its scene; the connections in the ``.ui`` file pass it on to the controls."""

    mrmlSceneChanged = Signal(object)

    def setMRMLScene(self, scene: object) -> None:
        """Set the scene."""
        self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(Dialect, QtWidgets.QComboBox):
    """A choice among the nodes of some classes."""

    currentNodeChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._nodeTypes, self._flags, self._scene, self._isFilling = [], {}, None, False
        self._observations: list[int] = []
        self.currentIndexChanged.connect(self._changed)

    def _changed(self) -> None:
        if not self._isFilling:
            self.currentNodeChanged.emit(self.currentNode())

    def _setTypes(self, nodeTypes: list[str]) -> None:
        self._nodeTypes = list(nodeTypes)
        self._fill()

    nodeTypes = Property("QStringList", lambda self: self._nodeTypes, _setTypes)
    noneEnabled = Property(bool, lambda self: True, lambda self, value: self._flags.update(none=value))
    addEnabled = Property(bool, lambda self: False, lambda self, value: self._flags.update(add=value))
    removeEnabled = Property(bool, lambda self: False, lambda self, value: self._flags.update(remove=value))
    showChildNodeTypes = Property(
        bool, lambda self: self._flags.get("children", True), lambda self, value: self._flags.update(children=value)
    )

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Offer the nodes of a scene from now on; ``None`` lets go of it."""
        for observation in self._observations:
            self._scene.RemoveObserver(observation)
        self._scene, self._observations = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndImportEvent)
            self._observations = [scene.AddObserver(event, lambda *_: self._fill()) for event in events]
            self._fill()

    def _fill(self) -> None:
        if self._scene is None:
            return
        before = self._currentId()
        self._isFilling = True
        self.clear()
        self.addItem("None", "")
        offered = [node for kind in self._nodeTypes for node in slicer.util.getNodesByClass(kind)]
        for node in offered:
            isOffered = self.showChildNodeTypes or node.GetClassName() in self._nodeTypes
            if isOffered and not node.GetHideFromEditors() and self.findData(node.GetID()) < 0:
                self.addItem(node.GetName(), node.GetID())
        self.setCurrentIndex(max(self.findData(before), 0))
        self._isFilling = False
        if self._currentId() != before:
            self.currentNodeChanged.emit(self.currentNode())

    def _currentId(self) -> str:
        return self.itemData(QtCore.QObject.property(self, "currentIndex")) or ""

    def currentNode(self) -> object:
        """Return the node chosen, or ``None``."""
        found = self._currentId()
        return self._scene.GetNodeByID(found) if self._scene and found else None

    def setCurrentNode(self, node: object) -> None:
        """Choose a node, or none."""
        self.setCurrentIndex(self.findData(node.GetID()) if node else 0)


class qMRMLTableView(Dialect, QtWidgets.QTableWidget):
    """The content of a table node."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node = self._observation = None
        self.fills = 0  # how often the content was shown anew

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Let go of the node when there is no scene any more."""
        if scene is None:
            self.setMRMLTableNode(None)

    def setMRMLTableNode(self, node: object) -> None:
        """Show a node, following its changes."""
        if self._node is not None:
            self._node.RemoveObserver(self._observation)
        self._node = node
        if node is not None:
            self._observation = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._fill())
        self._fill()

    def mrmlTableNode(self) -> object:
        """Return the node shown."""
        return self._node

    def _fill(self) -> None:
        """Show the content as Slicer's model of tables has it.

        Without titles as headers, the columns are called A, B, C, and the first row holds their names. The first column
        may be the labels of the rows. A cell can be edited unless the node is locked.
        """
        self.fills += 1
        node = self._node
        table = node.GetTable() if node is not None else vtk.vtkTable()
        if table.GetNumberOfColumns() == 0:
            self.setRowCount(0)
            self.setColumnCount(0)
            return
        isTitled, isLabeled = node.GetUseColumnTitleAsColumnHeader(), node.GetUseFirstColumnAsRowHeader()
        columns = range(1 if isLabeled else 0, table.GetNumberOfColumns())
        rows = range(0 if isTitled else -1, table.GetNumberOfRows())
        names = [table.GetColumnName(column) for column in range(table.GetNumberOfColumns())]
        self.setRowCount(len(rows))
        self.setColumnCount(len(columns))
        titles = [node.GetColumnTitle(names[column]) or names[column] for column in columns]
        self.setHorizontalHeaderLabels(titles if isTitled else [chr(ord("A") + at % 26) for at in range(len(columns))])
        labels = [table.GetColumnName(0) if row < 0 else table.GetValue(row, 0).ToString() for row in rows]
        self.setVerticalHeaderLabels(labels if isLabeled else [str(at + 1) for at in range(len(rows))])
        for atRow, row in enumerate(rows):
            for atColumn, column in enumerate(columns):
                item = QtWidgets.QTableWidgetItem(names[column] if row < 0 else table.GetValue(row, column).ToString())
                if node.GetLocked():
                    item.setFlags(item.flags() & ~QtCore.Qt.ItemIsEditable)
                self.setItem(atRow, atColumn, item)

    def clickRow(self, row: int) -> None:
        """Click the first cell of a row that can be seen."""
        column = next(number for number in range(self.columnCount) if not self.isColumnHidden(number))
        self.clicked.emit(self.model().index(row, column))


CTK = (ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit)
MRML = (qMRMLWidget, qMRMLNodeComboBox, qMRMLTableView)


def install(qt: QtModule) -> None:
    """Make the controls known to ``ctk``, ``slicer`` and the loader of ``.ui`` files."""
    ctk = types.ModuleType("ctk")
    for control in CTK:
        setattr(ctk, control.__name__, control)
    for control in MRML:
        setattr(slicer, control.__name__, control)
    sys.modules["ctk"] = ctk
    known = {control.__name__: control for control in (*CTK, *MRML)}

    class Loader(QtUiTools.QUiLoader):
        """Makes the controls of the dialect; a class that is not known is an error, not an empty widget."""

        def createWidget(self, className: str, parent: object = None, name: str = "") -> object:
            control = known.get(className) or getattr(qt, className)
            widget = control(parent)
            widget.setObjectName(name)
            return widget

        def load(self, file: QtCore.QIODevice, parent: object = None) -> object:
            """Make the widgets of a file and their connections, whose arguments Qt does not know here."""
            described = ElementTree.fromstring(bytes(file.readAll()))
            connections = described.find("connections")
            described.remove(connections)
            content = QtCore.QBuffer()
            content.setData(ElementTree.tostring(described))
            content.open(QtCore.QIODevice.ReadOnly)
            top = super().load(content, parent)
            for connection in connections:
                sender, signal, receiver, slot = (
                    connection.findtext(part) for part in ("sender", "signal", "receiver", "slot")
                )
                source, target = (
                    top if top.objectName == name else top.findChild(QtCore.QObject, name)
                    for name in (sender, receiver)
                )
                getattr(source, signal.split("(")[0]).connect(getattr(target, slot.split("(")[0]))
            return top

    qt.QUiLoader = Loader
