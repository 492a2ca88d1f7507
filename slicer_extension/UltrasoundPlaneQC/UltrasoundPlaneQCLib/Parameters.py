"""Settings of the module, stored in its parameter node and so in the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .Options import AUTO, ScoringOptions

NO_OVERLAY, RESIDUAL_OVERLAY, REFERENCE_OVERLAY, MISSING_OVERLAY = OVERLAYS = (
    "none",
    "residual",
    "reference",
    "missing structure",
)
OLDER_OVERLAYS = {"anchor": REFERENCE_OVERLAY}  # names in scenes of older versions

if TYPE_CHECKING:  # any reference may be empty, but the wrapper wants the bare class
    AnyNode = slicer.vtkMRMLNode | None
    VolumeNode = slicer.vtkMRMLVolumeNode | None
    TableNode = slicer.vtkMRMLTableNode | None
    ChartNode = slicer.vtkMRMLPlotChartNode | None
else:
    AnyNode, VolumeNode = slicer.vtkMRMLNode, slicer.vtkMRMLVolumeNode
    TableNode, ChartNode = slicer.vtkMRMLTableNode, slicer.vtkMRMLPlotChartNode


@parameterNodeWrapper
class Parameters:
    """Choices of the user and the nodes that belong together.

    Attributes:
        inputNode: Sequence browser or volume to score.
        plane: Name of the plane, or ``"auto"``.
        device: One of ``Options.DEVICES``.
        modelPath: A model or bundle folder, or ``light``; empty for the shipped one.
        threshold: Quality that an accepted frame exceeds.
        hasOwnThreshold: Whether the user has set the threshold; otherwise it is the model's.
        overlay: One of ``OVERLAYS``.
        overlayOpacity: Opacity of the overlay.
        explainEachFrame: Whether every frame shown is explained.
        liveNode: Volume that a stream updates.
        recordLive: Whether live frames and their scores are recorded.
        rater: Name of the person who rates.
        isBlind: Whether scores are hidden until a frame is rated.
        liveSound: Whether an accepted live frame is heard.
        bestSeconds: How far back the best live frame is looked for.
        resultsNode: Table of the scores.
        chartNode: Plot of the scores.
    """

    inputNode: AnyNode
    plane: str = AUTO
    device: str = AUTO
    modelPath: str = ""
    threshold: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    hasOwnThreshold: bool = False
    overlay: str = RESIDUAL_OVERLAY
    overlayOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    explainEachFrame: bool = False
    liveNode: VolumeNode
    recordLive: bool = False
    rater: str = ""
    isBlind: bool = False
    liveSound: bool = False
    bestSeconds: Annotated[float, WithinRange(1.0, 60.0)] = 5.0
    resultsNode: TableNode
    chartNode: ChartNode

    if TYPE_CHECKING:

        def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:
            """Wrap a parameter node."""


def openParameters(node: slicer.vtkMRMLScriptedModuleNode) -> Parameters:
    """Return the settings in a parameter node; those that an older version saved are brought up to date."""
    parameters = Parameters(node)
    if parameters.overlay in OLDER_OVERLAYS:
        parameters.overlay = OLDER_OVERLAYS[parameters.overlay]
    return parameters


def scoringOptions(parameters: Parameters) -> ScoringOptions:
    """Return the user's options of scoring."""
    return ScoringOptions(parameters.plane, parameters.modelPath, parameters.device, parameters.threshold)
