"""Scores as a sequence of texts in the browser of the frames, so that both are shown and saved together."""

from __future__ import annotations

import math

import slicer

from .Results import Results

NAME = "STRIQ score"


def scoreText(quality: float, plane: str) -> str:
    """Return one score as a line of text, without the verdict: that depends on the threshold."""
    return f"Q {quality:.2f} {plane}"


def attachScores(browser: slicer.vtkMRMLSequenceBrowserNode, results: Results) -> None:
    """Add the scores to a browser as a sequence of texts, or replace those of an earlier run."""
    master = browser.GetMasterSequenceNode()
    sequence = _synchronized(browser)
    if sequence is None:
        sequence = _newScoreSequence(master)
        browser.AddSynchronizedSequenceNode(sequence)
    sequence.RemoveAllDataNodes()
    text = slicer.vtkMRMLTextNode()
    for frame, (quality, plane) in enumerate(zip(results.column("quality"), results.column("plane"), strict=True)):
        text.SetText("not scored" if math.isnan(quality) else scoreText(quality, plane))
        sequence.SetDataNodeAtValue(text, master.GetNthIndexValue(frame))


def _newScoreSequence(master: slicer.vtkMRMLSequenceNode) -> slicer.vtkMRMLSequenceNode:
    """Return an empty sequence with the index of another."""
    sequence: slicer.vtkMRMLSequenceNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", NAME)
    sequence.SetIndexName(master.GetIndexName())
    sequence.SetIndexUnit(master.GetIndexUnit())
    sequence.SetIndexType(master.GetIndexType())
    return sequence


def _synchronized(browser: slicer.vtkMRMLSequenceBrowserNode) -> slicer.vtkMRMLSequenceNode | None:
    """Return the sequence of scores that a browser has already; ``None`` if it has none."""
    sequences: list[slicer.vtkMRMLSequenceNode] = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    for node in sequences:
        if node.GetName().startswith(NAME) and browser.IsSynchronizedSequenceNode(node, False):
            return node
    return None
