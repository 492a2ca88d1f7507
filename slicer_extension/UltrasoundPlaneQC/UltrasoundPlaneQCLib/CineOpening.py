"""Loading of a file's frames into the scene, with the pixels that the scoring process reads."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from .Asking import Steps, ask
from .Folder import fileNodes
from .FrameSource import SourceError
from .ModelHolder import ModelHolder
from .ScoreChart import ScoreChart
from .ScoreSequence import attachScores
from .Study import NAME, Study
from .WorkerClient import Scratch

STEP_SECONDS = 0.02  # longest time that one step takes on the main thread
MIN_PLOTTED = 2  # frames; VTK cannot draw a line through fewer


def openCine(study: Study, key: str, holder: ModelHolder) -> Steps[slicer.vtkMRMLNode]:
    """Return the frames of a cine in the scene, loaded if they are not there, with their scores and plot.

    Raises:
        SourceError: If they are neither in the scene nor readable.
        WorkerError: If the scoring process cannot start or ends on its own.
    """
    if study.frames(key) is None and study[key].path:
        yield from _load(study, key, holder)
    node, results = study.source(key).node, study.results(key)
    if node is None:
        raise SourceError(_("{name} was not loaded.").format(name=study[key].name))
    if results is not None and ScoreChart.find(results) is None and len(results) >= MIN_PLOTTED:
        chart = ScoreChart.create(results)
        fileNodes(NAME, [chart.node, *chart.seriesNodes()])
        if isinstance(node, slicer.vtkMRMLSequenceBrowserNode):
            attachScores(node, results)
    return node


def _load(study: Study, key: str, holder: ModelHolder) -> Steps[None]:
    cine, scratch = study[key], Scratch()
    try:
        read = yield from ask(holder, "read", file=cine.path, folder=str(scratch.path))
        pictures = np.load(read["pictures"], mmap_mode="r")
        browser = yield from _makeBrowser(cine.name, pictures, read)
        del pictures  # closes the file
    finally:
        scratch.remove()
    study.setFrames(key, browser)


def _makeBrowser(
    name: str, pictures: NDArray[np.uint8], read: dict[str, Any]
) -> Steps[slicer.vtkMRMLSequenceBrowserNode]:
    sequence: slicer.vtkMRMLSequenceNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    times: list[float] | None = read["times_s"]
    sequence.SetIndexName("frame" if times is None else "time")
    sequence.SetIndexUnit("" if times is None else "s")
    volume = slicer.util.addVolumeFromArray(np.zeros((1, *pictures.shape[1:]), np.uint8), name=name)
    try:
        volume.SetIJKToRASMatrix(_upright(read["spacing_mm"]))
        until = time.monotonic() + STEP_SECONDS
        for index, picture in enumerate(pictures):
            slicer.util.updateVolumeFromArray(volume, np.array(picture)[None])
            sequence.SetDataNodeAtValue(volume, str(index) if times is None else f"{times[index]:.6f}")
            if time.monotonic() > until:
                yield
                until = time.monotonic() + STEP_SECONDS
    finally:
        slicer.mrmlScene.RemoveNode(volume)
    browser: slicer.vtkMRMLSequenceBrowserNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", name)
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    fileNodes(NAME, [browser, sequence])
    return browser


def _upright(spacingMm: list[float] | None) -> vtk.vtkMatrix4x4:
    """Return the matrix with which stored pictures are shown upright."""
    rowMm, columnMm = spacingMm or (1.0, 1.0)
    return slicer.util.vtkMatrixFromArray(
        np.array([[-columnMm, 0, 0, 0], [0, -rowMm, 0, 0], [0, 0, columnMm, 0], [0, 0, 0, 1.0]])
    )
