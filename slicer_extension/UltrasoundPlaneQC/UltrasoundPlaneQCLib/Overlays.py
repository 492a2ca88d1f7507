"""Overlays that explain a score on the picture: the residual as a heat map, or the reference moved onto the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike, NDArray
from slicer.i18n import tr as _

from .TransformWords import cropMatrix, square

# One minus a cosine: 0 alike, 1 unrelated, 2 opposite.
HEAT_POINTS = ((0.0, (0.10, 0.05, 0.35)), (1.0, (0.85, 0.25, 0.20)), (2.0, (1.00, 0.95, 0.55)))
HEAT_NAME = "STRIQ heat"
NOTHING = -1.0  # value outside the fan; the display threshold hides it
ALIKE = 0.15  # residuals below are not shown: the picture stays as it is
RESIDUAL_NAME, ANCHOR_NAME, TRANSFORM_NAME = "STRIQ residual", "STRIQ reference", "STRIQ reference to frame"
FRAME_ATTRIBUTE, VOLUME_REFERENCE = "STRIQ.frame", "striqFrameOf"


def showResidual(
    volume: slicer.vtkMRMLVolumeNode, sliceIndex: int, residual: NDArray[np.float32], frame: int, title: str = ""
) -> slicer.vtkMRMLScalarVolumeNode:
    """Return the heat map of a frame on its own grid: where the frame differs from the reference, and how much.

    Args:
        volume: Volume of the frame.
        sliceIndex: Slice of the frame.
        residual: One value per pixel, NaN outside the fan, shape ``(H, W)``.
        frame: Number of the frame, stored in the node.
        title: Of the color scale.
    """
    node: slicer.vtkMRMLScalarVolumeNode = _findOrAdd("vtkMRMLScalarVolumeNode", RESIDUAL_NAME)
    values = np.where(np.isfinite(residual), residual, NOTHING).astype(np.float32)
    slicer.util.updateVolumeFromArray(node, values[None])
    ijkToRas = _matrix(volume.GetIJKToRASMatrix) @ _sliceOffset(sliceIndex)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    _mark(node, volume, frame)
    _displayHeat(node, title or _("Residual"))
    return node


def showAnchor(
    volume: slicer.vtkMRMLVolumeNode,
    sliceIndex: int,
    picture: NDArray[np.uint8],
    transform: ArrayLike,
    crop: Sequence[int],
    frame: int,
) -> slicer.vtkMRMLScalarVolumeNode:
    """Return the reference picture, moved onto the frame by a transform node that can be taken off to compare.

    Args:
        volume: Volume of the frame.
        sliceIndex: Slice of the frame.
        picture: The reference, cropped to its fan, shape ``(H, W)``.
        transform: Pull-back from frame to reference, 2x3, in coordinates of the crop.
        crop: Where the fan of the frame lies, ``(top, left, bottom, right)`` in pixels.
        frame: Number of the frame, stored in the node.
    """
    node: slicer.vtkMRMLScalarVolumeNode = _findOrAdd("vtkMRMLScalarVolumeNode", ANCHOR_NAME)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(picture)[None])
    cropToRas = _matrix(volume.GetIJKToRASMatrix) @ _sliceOffset(sliceIndex) @ _in3d(cropMatrix(crop))
    height, width = picture.shape
    pixelsToCrop = _in3d(np.linalg.inv(cropMatrix((0, 0, height, width))))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(cropToRas @ pixelsToCrop))
    node.SetAndObserveTransformNodeID(_anchorTransform(volume, cropToRas, transform).GetID())
    _mark(node, volume, frame)
    _displayGray(node)
    return node


def _anchorTransform(
    volume: slicer.vtkMRMLVolumeNode, cropToRas: NDArray[np.floating], transform: ArrayLike
) -> slicer.vtkMRMLLinearTransformNode:
    node: slicer.vtkMRMLLinearTransformNode = _findOrAdd("vtkMRMLLinearTransformNode", TRANSFORM_NAME)
    # The pull-back says where the frame reads the reference; its inverse moves the reference onto the frame.
    forward = cropToRas @ _in3d(np.linalg.inv(square(transform))) @ np.linalg.inv(cropToRas)
    slicer.util.updateTransformMatrixFromArray(node, forward)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    return node


def showOver(overlay: slicer.vtkMRMLVolumeNode | None, background: slicer.vtkMRMLVolumeNode, opacity: float) -> None:
    """Show an overlay in the slice views that show its background; ``None`` removes the module's overlays."""
    if overlay is None:
        removeOverlays()
        return
    for composite in _composites():
        if composite.GetBackgroundVolumeID() == background.GetID():
            composite.SetForegroundVolumeID(overlay.GetID())
            composite.SetForegroundOpacity(opacity)


def removeOverlays() -> None:
    """Remove the module's overlays from all slice views; other foreground volumes stay."""
    ours = {node.GetID() for node in _overlays()}
    for composite in _composites():
        if composite.GetForegroundVolumeID() in ours:
            composite.SetForegroundVolumeID(None)


def hideStale(volume: slicer.vtkMRMLVolumeNode | None, frame: int | None) -> None:
    """Remove the module's overlays unless they explain this frame of this volume."""
    for node in shownOverlays():
        isOfFrame = node.GetAttribute(FRAME_ATTRIBUTE) == str(frame)
        if not isOfFrame or node.GetNodeReference(VOLUME_REFERENCE) is not volume:
            removeOverlays()


def shownOverlays() -> list[slicer.vtkMRMLVolumeNode]:
    """Return the module's overlays that a slice view shows."""
    shown = {composite.GetForegroundVolumeID() for composite in _composites()}
    return [node for node in _overlays() if node.GetID() in shown]


def _overlays() -> list[slicer.vtkMRMLVolumeNode]:
    return [node for name in (RESIDUAL_NAME, ANCHOR_NAME) for node in _existing(name)]


def _composites() -> list[slicer.vtkMRMLSliceCompositeNode]:
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def _mark(node: slicer.vtkMRMLVolumeNode, volume: slicer.vtkMRMLVolumeNode, frame: int) -> None:
    node.SetAttribute(FRAME_ATTRIBUTE, str(frame))
    node.SetNodeReferenceID(VOLUME_REFERENCE, volume.GetID())


def _existing(name: str) -> list[Any]:
    nodes = slicer.mrmlScene.GetNodesByName(name)
    return [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]


def _findOrAdd(className: str, name: str) -> Any:
    node = next((node for node in _existing(name) if node.IsA(className)), None)
    node = node or slicer.mrmlScene.AddNewNodeByClass(className, name)
    node.SetHideFromEditors(True)  # it is no picture to be scored
    return node


def _matrix(read: Callable[[vtk.vtkMatrix4x4], None]) -> NDArray[np.floating]:
    matrix = vtk.vtkMatrix4x4()
    read(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _sliceOffset(sliceIndex: int) -> NDArray[np.floating]:
    offset = np.eye(4)
    offset[2, 3] = sliceIndex
    return offset


def _in3d(planar: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return a 3x3 planar matrix as a 4x4 one that leaves the third coordinate alone."""
    matrix = np.eye(4)
    matrix[:2, :2], matrix[:2, 3] = planar[:2, :2], planar[:2, 2]
    return matrix


def _displayHeat(node: slicer.vtkMRMLScalarVolumeNode, title: str) -> None:
    colors = next(iter(_existing(HEAT_NAME)), None)
    if colors is None:
        colors = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", HEAT_NAME)
        ramp = vtk.vtkColorTransferFunction()
        for value, color in HEAT_POINTS:
            ramp.AddRGBPoint(value, *color)
        colors.SetAndObserveColorTransferFunction(ramp)
    display = _displayNode(node)
    display.SetAndObserveColorNodeID(colors.GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 2.0)
    display.AutoThresholdOff()
    display.ApplyThresholdOn()
    display.SetThreshold(ALIKE, 2.0)
    display.SetInterpolate(False)  # values inside and outside the fan must not mix at its edge
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(node)
    if legend is not None:
        legend.SetTitleText(title)
        legend.SetLabelFormat("%.1f")


def _displayGray(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    display = _displayNode(node)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0, 255)


def _displayNode(node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeDisplayNode:
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node.GetDisplayNode()
