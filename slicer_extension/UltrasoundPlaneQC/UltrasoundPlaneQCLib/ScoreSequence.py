"""Scores as a sequence of texts in the browser of the pictures, so that both move together and are saved together."""

from __future__ import annotations

import slicer

NAME = "STRIQ score"


def scoreText(quality, plane):
    """Return one score as a line of text; verdicts follow the threshold, so they are in the table only."""
    return f"Q {quality:.2f} {plane}"


def attachScores(browser, results):
    """Add the scores to a browser as a sequence of texts, in place of those before, and return the sequence."""
    master = browser.GetMasterSequenceNode()
    sequence = _synchronized(browser)
    if sequence is None:
        sequence = newScoreSequence(master)
        browser.AddSynchronizedSequenceNode(sequence)
    sequence.RemoveAllDataNodes()
    text = slicer.vtkMRMLTextNode()
    for result in results:
        line = scoreText(result.quality, result.plane) if result.isScored else "not scored"
        text.SetText(line)
        sequence.SetDataNodeAtValue(text, master.GetNthIndexValue(result.frame))
    return sequence


def newScoreSequence(master):
    """Return an empty sequence whose index is that of another."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", NAME)
    sequence.SetIndexName(master.GetIndexName())
    sequence.SetIndexUnit(master.GetIndexUnit())
    sequence.SetIndexType(master.GetIndexType())
    return sequence


def _synchronized(browser):
    for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode"):
        if node.GetName().startswith(NAME) and browser.IsSynchronizedSequenceNode(node, False):
            return node
    return None
