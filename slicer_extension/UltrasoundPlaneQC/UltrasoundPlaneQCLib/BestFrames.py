"""The best accepted frame of the last seconds of a stream, and frames of a stream as nodes."""

from __future__ import annotations

from collections import deque

import numpy as np
import slicer
import vtk

from .Folder import fileNodes
from .Judgement import ACCEPTED
from .LiveRecords import FOLDER
from .LiveScoring import LiveVerdict

QUALITY, PLANE, TIME = "STRIQ.quality", "STRIQ.plane", "STRIQ.timeS"  # attributes of a frame that is kept


class BestFrames:
    """Finds the best accepted frame of the last seconds; keeps only frames that may still become the best.

    Args:
        seconds: How far back the frames go.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._candidates: deque[LiveVerdict] = deque()  # from the best to the newest, each worse than the one before

    def reset(self) -> None:
        """Forget all frames."""
        self._candidates.clear()

    def add(self, live: LiveVerdict) -> None:
        """Add the newest verdict; one that is not accepted only lets older ones expire."""
        if live.verdict == ACCEPTED and live.quality is not None and live.pixels is not None:
            while self._candidates and (self._candidates[-1].quality or 0.0) <= live.quality:
                self._candidates.pop()
            self._candidates.append(live)
        while self._candidates and self._candidates[0].imageTime < live.imageTime - self.seconds:
            self._candidates.popleft()

    @property
    def best(self) -> LiveVerdict | None:
        """The best accepted frame; ``None`` if there was none."""
        return self._candidates[0] if self._candidates else None


def addFrameNode(live: LiveVerdict, like: slicer.vtkMRMLVolumeNode, name: str) -> slicer.vtkMRMLVolumeNode:
    """Add the picture of a verdict to the scene, placed in space as the stream's volume, and return its node.

    Args:
        live: Verdict with pixels.
        like: Volume of the stream.
        name: Name of the node.
    """
    assert live.pixels is not None
    kind = "vtkMRMLScalarVolumeNode" if live.pixels.ndim == 2 else "vtkMRMLVectorVolumeNode"
    node: slicer.vtkMRMLVolumeNode = slicer.mrmlScene.AddNewNodeByClass(kind, name)
    slicer.util.updateVolumeFromArray(node, np.array(live.pixels)[None])
    toRas = vtk.vtkMatrix4x4()
    like.GetIJKToRASMatrix(toRas)
    node.SetIJKToRASMatrix(toRas)
    node.CreateDefaultDisplayNodes()
    node.SetAttribute(PLANE, live.plane)
    node.SetAttribute(TIME, f"{live.imageTime:.3f}")
    if live.quality is not None:
        node.SetAttribute(QUALITY, f"{live.quality:.6g}")
    fileNodes(FOLDER, [node])
    return node
