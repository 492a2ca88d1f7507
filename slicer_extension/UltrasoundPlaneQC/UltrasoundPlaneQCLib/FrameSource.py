"""Frames out of the scene: a sequence browser, a single volume or a stack, one picture at a time."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

SECONDS_PER_UNIT = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
COLOR_CHANNELS = (3, 4)


class SourceError(ValueError):
    """A node that holds no frames to score."""


def openFrames(node):
    """Return the frames of a node.

    Args:
        node: Sequence browser, sequence, volume that a browser updates, or any other volume.

    Raises:
        SourceError: If the node holds no pictures.
    """
    if node is None:
        raise SourceError(_("No input is chosen. Choose a sequence browser or a volume."))
    if node.IsA("vtkMRMLSequenceBrowserNode"):
        return SequenceFrames(node)
    browser = _browserOf(node)
    if browser is not None:
        return SequenceFrames(browser)
    if node.IsA("vtkMRMLVolumeNode"):
        return StackFrames(node)
    raise SourceError(
        _("{name} is a {kind}. Expected a sequence browser or a volume of ultrasound frames.").format(
            name=node.GetName(), kind=node.GetNodeTagName()
        )
    )


def _browserOf(node):
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        if node.IsA("vtkMRMLSequenceNode") and browser.IsSynchronizedSequenceNode(node, True):
            return browser
        if browser.IsProxyNode(node.GetID()):
            return browser
    return None


def pictureOf(volume, sliceIndex=0):
    """Return the stored pixels of one slice, shape ``(H, W)`` or ``(H, W, C)``; row 0 is the first row stored.

    Ultrasound is stored from the skin downwards, and ``striq score`` reads files the same way, so the picture is
    upright without regard to the direction matrix of the volume.
    """
    if volume.GetImageData() is None:
        raise SourceError(
            _("{name} has no picture yet. Wait for the stream, or load its data.").format(name=volume.GetName())
        )
    stored = slicer.util.arrayFromVolume(volume)
    return stored[sliceIndex]


def spacingOf(volume):
    """Return the distance between rows, then columns, in millimetres."""
    columnMm, rowMm, _ = volume.GetSpacing()
    return (rowMm, columnMm)


class StackFrames:
    """Slices of one volume as frames; a single picture is a stack of one."""

    def __init__(self, volume):
        self.node = self.volume = volume
        self.name = volume.GetName()
        pictureOf(volume)
        self.numFrames = slicer.util.arrayFromVolume(volume).shape[0]
        self.spacingMm = spacingOf(volume)
        self.timesS = None

    @property
    def isInScene(self):
        """Whether the frames are still there."""
        return self.volume.GetScene() is not None

    def frame(self, index):
        """Return the stored pixels of one frame."""
        return pictureOf(self.volume, index)

    def currentIndex(self):
        """Return the frame that the first slice view across the stack shows, 0 if there is none."""
        toIjk = vtk.vtkMatrix4x4()
        self.volume.GetRASToIJKMatrix(toIjk)
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            toRas = view.GetSliceToRAS()
            ijk = toIjk.MultiplyPoint([toRas.GetElement(row, 3) for row in range(4)])
            return int(np.clip(round(ijk[2]), 0, self.numFrames - 1))
        return 0

    def select(self, index):
        """Move the slice views to one frame."""
        toRas = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(toRas)
        columns, rows, _ = self.volume.GetImageData().GetDimensions()
        center = toRas.MultiplyPoint(((columns - 1) / 2, (rows - 1) / 2, index, 1))
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            view.JumpSliceByCentering(*center[:3])

    def volumeAt(self, index):
        """Return the volume that holds the frame, and its slice."""
        return self.volume, index


class SequenceFrames:
    """Frames of the volumes that a sequence browser steps through."""

    def __init__(self, browser):
        self.node = self.browser = browser
        self.name = browser.GetName()
        self.sequence = _volumeSequence(browser)
        self.volume = browser.GetProxyNode(self.sequence)
        self.numFrames = self.master.GetNumberOfDataNodes()
        first = self._dataNode(0)
        if slicer.util.arrayFromVolume(first).shape[0] != 1:
            raise SourceError(
                _(
                    "{name} steps through 3-D volumes. Expected one picture per time point; score one volume alone."
                ).format(name=self.name)
            )
        self.spacingMm = spacingOf(first)
        self.timesS = self._times()

    @property
    def master(self):
        """The sequence that counts the frames."""
        return self.browser.GetMasterSequenceNode()

    @property
    def isInScene(self):
        """Whether the frames are still there."""
        nodes = (self.browser, self.sequence, self.master)
        return all(node is not None and node.GetScene() is not None for node in nodes)

    def _dataNode(self, index):
        return self.sequence.GetDataNodeAtValue(self.master.GetNthIndexValue(index), False)

    def _times(self):
        seconds = SECONDS_PER_UNIT.get((self.master.GetIndexUnit() or "").lower())
        if seconds is None or self.master.GetIndexType() != self.master.NumericIndex:
            return None
        return [float(self.master.GetNthIndexValue(index)) * seconds for index in range(self.numFrames)]

    def frame(self, index):
        """Return the stored pixels of one frame."""
        return pictureOf(self._dataNode(index))

    def currentIndex(self):
        """Return the frame that the browser shows."""
        return max(self.browser.GetSelectedItemNumber(), 0)

    def select(self, index):
        """Make the browser show one frame."""
        self.browser.SetSelectedItemNumber(index)

    def volumeAt(self, index):
        """Return the volume that shows the frame when it is selected, and its slice."""
        del index
        return self.volume, 0


def _volumeSequence(browser):
    sequences = vtk.vtkCollection()
    browser.GetSynchronizedSequenceNodes(sequences, True)
    for number in range(sequences.GetNumberOfItems()):
        sequence = sequences.GetItemAsObject(number)
        first = sequence.GetNthDataNode(0) if sequence.GetNumberOfDataNodes() else None
        if first is not None and first.IsA("vtkMRMLVolumeNode") and first.GetImageData() is not None:
            return sequence
    raise SourceError(
        _("{name} holds no pictures. Expected a sequence of ultrasound volumes.").format(name=browser.GetName())
    )
