"""Frames of a node in the scene: a sequence browser, a single volume or a stack, one picture at a time."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from .DicomFile import fileOf, frameTimes

SECONDS_PER_UNIT = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}

UNSET_SPACING = (1.0, 1.0)  # of a volume whose maker has set none


class SourceError(ValueError):
    """A node has no frames to score, or they cannot be scored."""


class FrameSource(Protocol):
    """Frames of one node.

    Attributes:
        name: Name of the node.
        numFrames: Number of frames.
        spacingMm: Distance between rows, then columns, in millimeters.
        file: File that the scoring process reads the frames from; ``None`` if they are in the scene.
    """

    name: str
    numFrames: int
    spacingMm: tuple[float, float]
    file: str | None

    @property
    def timesS(self) -> list[float] | None:
        """Time of each frame in seconds; ``None`` if unknown."""
        ...

    @property
    def dicomFile(self) -> str | None:
        """DICOM file that the frames were read from; ``None`` if there is none at hand."""
        ...

    @property
    def node(self) -> slicer.vtkMRMLNode | None:
        """Node that the user chooses; ``None`` for frames of a file that is not loaded."""
        ...

    @property
    def volume(self) -> slicer.vtkMRMLVolumeNode:
        """Volume that shows the frames."""
        ...

    @property
    def isInScene(self) -> bool:
        """Whether the frames are still in the scene."""
        ...

    def frame(self, index: int) -> NDArray[Any]:
        """Return the stored pixels of one frame, shape ``(H, W)`` or ``(H, W, C)``."""
        ...

    def currentIndex(self) -> int:
        """Return the number of the frame shown."""
        ...

    def select(self, index: int) -> None:
        """Show one frame."""
        ...

    def volumeAt(self, index: int) -> tuple[slicer.vtkMRMLVolumeNode, int]:
        """Return the volume that shows the frame when it is selected, and its slice."""
        ...


def openFrames(node: slicer.vtkMRMLNode | None) -> FrameSource:
    """Return the frames of a node.

    Args:
        node: Sequence browser, sequence, volume that a browser updates, or any other volume.

    Raises:
        SourceError: If the node has no pictures.
    """
    if node is None:
        raise SourceError(_("No input is chosen. Choose a sequence browser or a volume."))
    if isinstance(node, slicer.vtkMRMLSequenceBrowserNode):
        return SequenceFrames(node)
    browser = _browserOf(node)
    if browser is not None:
        return SequenceFrames(browser)
    if isinstance(node, slicer.vtkMRMLVolumeNode):
        return StackFrames(node)
    raise SourceError(
        _("{name} is a {kind}. Expected a sequence browser or a volume of ultrasound frames.").format(
            name=node.GetName(), kind=node.GetNodeTagName()
        )
    )


def _browserOf(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLSequenceBrowserNode | None:
    """Return the browser that steps through a sequence or updates a volume; ``None`` if there is none."""
    browsers: list[slicer.vtkMRMLSequenceBrowserNode] = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    for browser in browsers:
        if isinstance(node, slicer.vtkMRMLSequenceNode) and browser.IsSynchronizedSequenceNode(node, True):
            return browser
        if browser.IsProxyNode(node.GetID()):
            return browser
    return None


def originalOf(source: FrameSource, first: int = 0) -> dict[str, Any]:
    """Return the fields of a command that name the file that frames were read from, so that they score as it does.

    Args:
        source: Frames.
        first: Number of the first frame that is sent.
    """
    return {} if source.dicomFile is None else {"original": source.dicomFile, "original_index": first}


def pictureOf(volume: slicer.vtkMRMLVolumeNode, sliceIndex: int = 0) -> NDArray[Any]:
    """Return the stored pixels of one slice, shape ``(H, W)`` or ``(H, W, C)``; row 0 is the first row stored.

    Ultrasound is stored from the skin downwards, and ``striq score`` reads files the same way. The picture is therefore
    upright whatever the direction matrix of the volume.

    Raises:
        SourceError: If the volume has no pixels.
    """
    if volume.GetImageData() is None:
        raise SourceError(
            _("{name} has no picture yet. Wait for the stream, or load its data.").format(name=volume.GetName())
        )
    stored = slicer.util.arrayFromVolume(volume)
    return stored[sliceIndex]


def spacingOf(volume: slicer.vtkMRMLVolumeNode) -> tuple[float, float]:
    """Return the distance between rows, then columns, in millimeters."""
    columnMm, rowMm, _sliceMm = volume.GetSpacing()
    return (rowMm, columnMm)


def knownSpacingOf(volume: slicer.vtkMRMLVolumeNode) -> tuple[float, float] | None:
    """Return the distance between rows, then columns, in millimeters; ``None`` where no spacing was ever set.

    A volume without a spacing has 1 mm in every direction.
    """
    spacing = spacingOf(volume)
    return None if spacing == UNSET_SPACING else spacing


class StackFrames:
    """Slices of one volume as frames; a single picture is a stack of one."""

    file: str | None = None

    def __init__(self, volume: slicer.vtkMRMLVolumeNode) -> None:
        self.node = self.volume = volume
        self.name = volume.GetName()
        pictureOf(volume)  # refuses a volume without pixels
        self.numFrames: int = slicer.util.arrayFromVolume(volume).shape[0]
        self.spacingMm = spacingOf(volume)
        self.timesS: list[float] | None = None
        self.dicomFile: str | None = None

    @property
    def isInScene(self) -> bool:
        """Whether the frames are still in the scene."""
        return self.volume.GetScene() is not None

    def frame(self, index: int) -> NDArray[Any]:
        """Return the stored pixels of one frame."""
        return pictureOf(self.volume, index)

    def currentIndex(self) -> int:
        """Return the frame that the first slice view of the layout shows; 0 if there is no slice view."""
        toIjk = vtk.vtkMatrix4x4()
        self.volume.GetRASToIJKMatrix(toIjk)
        views: list[slicer.vtkMRMLSliceNode] = slicer.util.getNodesByClass("vtkMRMLSliceNode")
        views = [view for view in views if view.IsMappedInLayout()] or views
        if not views:
            return 0
        toRas = views[0].GetSliceToRAS()
        ijk = toIjk.MultiplyPoint([toRas.GetElement(row, 3) for row in range(4)])
        return min(max(round(ijk[2]), 0), self.numFrames - 1)

    def select(self, index: int) -> None:
        """Move the slice views to one frame."""
        toRas = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(toRas)
        _slices, rows, columns = slicer.util.arrayFromVolume(self.volume).shape[:3]
        center = toRas.MultiplyPoint(((columns - 1) / 2, (rows - 1) / 2, index, 1))
        views: list[slicer.vtkMRMLSliceNode] = slicer.util.getNodesByClass("vtkMRMLSliceNode")
        for view in views:
            view.JumpSliceByCentering(*center[:3])

    def volumeAt(self, index: int) -> tuple[slicer.vtkMRMLVolumeNode, int]:
        """Return the volume and the slice of a frame."""
        return self.volume, index


class SequenceFrames:
    """Frames of the volumes that a sequence browser steps through."""

    file: str | None = None

    def __init__(self, browser: slicer.vtkMRMLSequenceBrowserNode) -> None:
        self.node = self.browser = browser
        self.name = browser.GetName()
        self.sequence = _volumeSequence(browser)
        self.volume: slicer.vtkMRMLVolumeNode = browser.GetProxyNode(self.sequence)
        self.numFrames = self.master.GetNumberOfDataNodes()
        first = self._dataNode(0)
        if slicer.util.arrayFromVolume(first).shape[0] != 1:
            raise SourceError(
                _(
                    "{name} steps through 3-D volumes. Expected one picture per time point; score one volume alone."
                ).format(name=self.name)
            )
        self.spacingMm = spacingOf(first)

    @property
    def timesS(self) -> list[float] | None:
        """Time of each frame in seconds; ``None`` if unknown."""
        return self._times

    @property
    def dicomFile(self) -> str | None:
        """DICOM file that the frames were read from; ``None`` if there is none at hand."""
        return self._dicomFile

    @cached_property
    def _times(self) -> list[float] | None:
        seconds = SECONDS_PER_UNIT.get((self.master.GetIndexUnit() or "").lower())
        if seconds is None or self.master.GetIndexType() != self.master.NumericIndex:
            return frameTimes(self.dicomFile, self.numFrames)
        return [float(self.master.GetNthIndexValue(index)) * seconds for index in range(self.numFrames)]

    @cached_property
    def _dicomFile(self) -> str | None:
        return fileOf([self._dataNode(0), self._dataNode(self.numFrames - 1)])

    @property
    def master(self) -> slicer.vtkMRMLSequenceNode:
        """The sequence that numbers the frames."""
        return self.browser.GetMasterSequenceNode()

    @property
    def isInScene(self) -> bool:
        """Whether the frames are still in the scene."""
        nodes: list[Any] = [self.browser, self.sequence, self.master]
        return all(node is not None and node.GetScene() is not None for node in nodes)

    def _dataNode(self, index: int) -> slicer.vtkMRMLVolumeNode:
        return self.sequence.GetDataNodeAtValue(self.master.GetNthIndexValue(index), False)

    def frame(self, index: int) -> NDArray[Any]:
        """Return the stored pixels of one frame."""
        return pictureOf(self._dataNode(index))

    def currentIndex(self) -> int:
        """Return the frame that the browser shows."""
        return max(self.browser.GetSelectedItemNumber(), 0)

    def select(self, index: int) -> None:
        """Make the browser show one frame."""
        self.browser.SetSelectedItemNumber(index)

    def volumeAt(self, index: int) -> tuple[slicer.vtkMRMLVolumeNode, int]:
        """Return the volume that the browser updates; every frame is its only slice."""
        del index
        return self.volume, 0


def _volumeSequence(browser: slicer.vtkMRMLSequenceBrowserNode) -> slicer.vtkMRMLSequenceNode:
    """Return the sequence of volumes with pixels among the browser's sequences.

    Raises:
        SourceError: If there is none.
    """
    sequences = vtk.vtkCollection()
    browser.GetSynchronizedSequenceNodes(sequences, True)
    for number in range(sequences.GetNumberOfItems()):
        sequence: slicer.vtkMRMLSequenceNode = sequences.GetItemAsObject(number)
        first = sequence.GetNthDataNode(0) if sequence.GetNumberOfDataNodes() else None
        if isinstance(first, slicer.vtkMRMLVolumeNode) and first.GetImageData() is not None:
            return sequence
    raise SourceError(
        _("{name} has no pictures. Expected a sequence of ultrasound volumes.").format(name=browser.GetName())
    )
