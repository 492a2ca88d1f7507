"""Why a frame got its score, on the picture: the residual as a heat map, or the reference moved onto the frame."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .TransformWords import boxMatrix, square

# One minus a cosine: 0 alike, 1 unrelated, 2 opposite.
HEAT_POINTS = ((0.0, (0.10, 0.05, 0.35)), (1.0, (0.85, 0.25, 0.20)), (2.0, (1.00, 0.95, 0.55)))
NOTHING = -1.0  # value outside the fan; the display threshold hides it
RESIDUAL_NAME, ANCHOR_NAME, TRANSFORM_NAME = "STRIQ residual", "STRIQ reference", "STRIQ reference to frame"
FRAME_ATTRIBUTE, VOLUME_REFERENCE = "STRIQ.frame", "striqFrameOf"


def showResidual(volume, sliceIndex, residual, frame):
    """Return the heat map of a frame on its own grid: where the frame differs from the reference, and how much.

    Args:
        volume: Volume that holds the frame.
        sliceIndex: Its slice.
        residual: One value per pixel, NaN outside the fan, shape ``(H, W)``.
        frame: Number of the frame, kept with the node.
    """
    node = _node("vtkMRMLScalarVolumeNode", RESIDUAL_NAME)
    values = np.where(np.isfinite(residual), residual, NOTHING).astype(np.float32)
    slicer.util.updateVolumeFromArray(node, values[None])
    ijkToRas = _matrix(volume.GetIJKToRASMatrix) @ _sliceOffset(sliceIndex)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    _mark(node, volume, frame)
    _displayHeat(node)
    return node


def showAnchor(volume, sliceIndex, picture, transform, box, frame):
    """Return the reference picture, placed on the frame by a transform node that can be taken off to compare.

    Args:
        volume: Volume that holds the frame.
        sliceIndex: Its slice.
        picture: The reference, cropped to its fan, shape ``(H, W)``.
        transform: Pull-back from frame to reference, 2x3, in coordinates of the box.
        box: Where the fan of the frame lies, ``(top, left, bottom, right)`` in pixels.
        frame: Number of the frame, kept with the node.
    """
    node = _node("vtkMRMLScalarVolumeNode", ANCHOR_NAME)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(picture)[None])
    boxToRas = boxToRasMatrix(volume, sliceIndex, box)
    height, width = picture.shape
    pixelsToBox = _in3d(np.linalg.inv(boxMatrix((0, 0, height, width))))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(boxToRas @ pixelsToBox))
    node.SetAndObserveTransformNodeID(_anchorTransform(volume, boxToRas, transform).GetID())
    _mark(node, volume, frame)
    _displayGray(node)
    return node


def boxToRasMatrix(volume, sliceIndex, box):
    """Return the 4x4 matrix from coordinates in [-1, 1] of a box on one slice to RAS, without parent transforms."""
    return _matrix(volume.GetIJKToRASMatrix) @ _sliceOffset(sliceIndex) @ _in3d(boxMatrix(box))


def _anchorTransform(volume, boxToRas, transform):
    node = _node("vtkMRMLLinearTransformNode", TRANSFORM_NAME)
    # The pull-back says where the frame reads the reference; its inverse moves the reference onto the frame.
    forward = boxToRas @ _in3d(np.linalg.inv(square(transform))) @ np.linalg.inv(boxToRas)
    slicer.util.updateTransformMatrixFromArray(node, forward)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    return node


def showOver(overlay, background, opacity):
    """Lay a volume over another in the slice views that show the latter; ``None`` takes our overlays away."""
    ours = {node.GetID() for name in (RESIDUAL_NAME, ANCHOR_NAME) for node in _existing(name)}
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if overlay is None:
            if composite.GetForegroundVolumeID() in ours:
                composite.SetForegroundVolumeID(None)
        elif background is not None and composite.GetBackgroundVolumeID() == background.GetID():
            composite.SetForegroundVolumeID(overlay.GetID())
            composite.SetForegroundOpacity(opacity)


def _mark(node, volume, frame):
    node.SetAttribute(FRAME_ATTRIBUTE, str(frame))
    node.SetNodeReferenceID(VOLUME_REFERENCE, volume.GetID())


def hideStale(volume, frame):
    """Take our overlays away unless they are about this frame of this volume."""
    for node in shownOverlays():
        isOfFrame = node.GetAttribute(FRAME_ATTRIBUTE) == str(frame)
        if not isOfFrame or node.GetNodeReference(VOLUME_REFERENCE) is not volume:
            showOver(None, None, 0.0)


def shownOverlays():
    """Return our overlays that a slice view shows."""
    ours = [node for name in (RESIDUAL_NAME, ANCHOR_NAME) for node in _existing(name)]
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = {composite.GetForegroundVolumeID() for composite in composites}
    return [node for node in ours if node.GetID() in shown]


def _existing(name):
    nodes = slicer.mrmlScene.GetNodesByName(name)
    return [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]


def _node(className, name):
    node = next((node for node in _existing(name) if node.IsA(className)), None)
    return node or slicer.mrmlScene.AddNewNodeByClass(className, name)


def _matrix(read):
    matrix = vtk.vtkMatrix4x4()
    read(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _sliceOffset(sliceIndex):
    offset = np.eye(4)
    offset[2, 3] = sliceIndex
    return offset


def _in3d(planar):
    """Return a 3x3 planar matrix as a 4x4 one that leaves the third coordinate alone."""
    matrix = np.eye(4)
    matrix[:2, :2], matrix[:2, 3] = planar[:2, :2], planar[:2, 2]
    return matrix


def _displayHeat(node):
    display = _displayNode(node)
    colors = next(iter(_existing("STRIQ heat")), None)
    if colors is None:
        colors = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", "STRIQ heat")
        ramp = vtk.vtkColorTransferFunction()
        for value, color in HEAT_POINTS:
            ramp.AddRGBPoint(value, *color)
        colors.SetAndObserveColorTransferFunction(ramp)
    display.SetAndObserveColorNodeID(colors.GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 2.0)
    display.AutoThresholdOff()
    display.ApplyThresholdOn()
    display.SetThreshold(0.0, 2.0)


def _displayGray(node):
    display = _displayNode(node)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0, 255)


def _displayNode(node):
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node.GetDisplayNode()
