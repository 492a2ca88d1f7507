"""Everything the module remembers, stored in its parameter node and so in the scene."""

from __future__ import annotations

from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

AUTO = "auto"
DEVICES = (AUTO, "cuda", "mps", "cpu")
OVERLAYS = ("none", "residual", "anchor")


@parameterNodeWrapper
class Parameters:
    """Choices of the user and the nodes that belong together.

    Attributes:
        inputNode: Sequence browser or volume to score.
        plane: Name of the plane, or ``"auto"``.
        device: One of ``DEVICES``.
        modelPath: A model or bundle folder; empty for the shipped one.
        threshold: Quality above which a frame is accepted.
        hasOwnThreshold: The user has set the threshold; else it is the model's.
        overlay: One of ``OVERLAYS``.
        overlayOpacity: Opacity of the overlay.
        explainEachFrame: Explain again whenever another frame is shown.
        liveNode: Volume that a stream updates.
        recordLive: Keep live frames and scores as a sequence.
        resultsNode: Table of the scores.
        chartNode: Plot of the scores.
    """

    inputNode: slicer.vtkMRMLNode
    plane: str = AUTO
    device: str = AUTO
    modelPath: str = ""
    threshold: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    hasOwnThreshold: bool = False
    overlay: str = "residual"
    overlayOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    explainEachFrame: bool = False
    liveNode: slicer.vtkMRMLVolumeNode
    recordLive: bool = False
    resultsNode: slicer.vtkMRMLTableNode
    chartNode: slicer.vtkMRMLPlotChartNode
