"""The cines of a study: a list in one text node, with references to their frames and their scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .Folder import fileNodes
from .FrameSource import FrameSource, SourceError, openFrames
from .Results import INPUT, Results, resultsTables

KIND, NAME = "STRIQ.study", "STRIQ study"
WAITING, SCORING, DONE, FAILED = "waiting", "scoring", "done", "failed"
FORMAT = 1


@dataclass(frozen=True)
class Cine:
    """One cine of a study.

    Attributes:
        key: Identifies it in this study.
        name: Name shown.
        path: File that is scored where it lies; empty for frames in the scene.
        folder: Folder that was chosen and that the file lies in; empty otherwise. Its scores are kept there too.
        state: ``"waiting"``, ``"scoring"``, ``"done"`` or ``"failed"``.
        message: Why it has failed, or a notice.
    """

    key: str
    name: str
    path: str = ""
    folder: str = ""
    state: str = WAITING
    message: str = ""


class Study:
    """View of one text node; all values live in the node.

    Args:
        node: Node made by :meth:`open`.
    """

    def __init__(self, node: slicer.vtkMRMLTextNode) -> None:
        self.node = node
        self._read: tuple[str, dict[str, Cine]] = ("", {})

    @classmethod
    def find(cls) -> Study | None:
        """Return the study of the scene; ``None`` if it has none."""
        nodes: list[slicer.vtkMRMLTextNode] = slicer.util.getNodesByClass("vtkMRMLTextNode")
        return next((cls(node) for node in nodes if node.GetAttribute(KIND)), None)

    @classmethod
    def open(cls) -> Study:
        """Return the study of the scene, made if it has none."""
        found = cls.find()
        if found is not None:
            return found
        node: slicer.vtkMRMLTextNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", NAME)
        node.SetAttribute(KIND, str(FORMAT))
        study = cls(node)
        study._write({})
        fileNodes(NAME, [node])
        return study

    @property
    def isInScene(self) -> bool:
        """Whether the list is still in the scene."""
        return self.node.GetScene() is not None

    def _cines(self) -> dict[str, Cine]:
        text = self.node.GetText() or ""
        if text != self._read[0]:
            self._read = (text, {given["key"]: Cine(**given) for given in json.loads(text)["cines"]})
        return self._read[1]

    def _write(self, cines: dict[str, Cine]) -> None:
        text = json.dumps({"format": FORMAT, "cines": [vars(cine) for cine in cines.values()]})
        self._read = (text, cines)
        self.node.SetText(text)

    @property
    def cines(self) -> list[Cine]:
        """All cines, in the order in which they were added."""
        return list(self._cines().values())

    def __getitem__(self, key: str) -> Cine:
        return self._cines()[key]

    def __contains__(self, key: str) -> bool:
        return key in self._cines()

    def addFiles(self, paths: Sequence[str | Path], folder: str = "", names: Sequence[str] = ()) -> None:
        """Add files that are not in the list yet.

        Args:
            paths: Files.
            folder: Folder that was chosen.
            names: Names shown; by default the path within the folder.
        """
        cines = dict(self._cines())
        known = {cine.path for cine in cines.values()}
        for number, path in enumerate(map(Path, paths)):
            if str(path) not in known:
                inside = path.relative_to(folder).as_posix() if folder and path.is_relative_to(folder) else path.name
                key = self._newKey(cines)
                cines[key] = Cine(key, names[number] if names else inside, str(path), folder)
        self._write(cines)

    def addNodes(self, nodes: Sequence[slicer.vtkMRMLNode]) -> None:
        """Add browsers or volumes that are not in the list yet."""
        cines = dict(self._cines())
        known = {id(self.frames(key)) for key in cines}
        for node in nodes:
            if id(node) not in known:
                key = self._newKey(cines)
                cines[key] = Cine(key, node.GetName())
                self.node.SetNodeReferenceID(_framesRole(key), node.GetID())
        self._write(cines)

    def _newKey(self, cines: dict[str, Cine]) -> str:
        return str(1 + max((int(key) for key in cines), default=0))

    def remove(self, key: str) -> None:
        """Take a cine off the list; its frames and scores stay in the scene."""
        self._write({known: cine for known, cine in self._cines().items() if known != key})
        for role in (_framesRole(key), _scoresRole(key)):
            self.node.SetNodeReferenceID(role, None)

    def clear(self) -> None:
        """Empty the list; frames and scores stay in the scene."""
        for key in list(self._cines()):
            self.remove(key)

    def setState(self, key: str, state: str, message: str = "") -> None:
        """Set the state of a cine."""
        self._write(self._cines() | {key: replace(self[key], state=state, message=message)})

    def endScoring(self) -> None:
        """Let a cine wait whose scoring was interrupted, as by the end of the application."""
        for cine in self.cines:
            if cine.state == SCORING:
                self.setState(cine.key, WAITING)

    def frames(self, key: str) -> slicer.vtkMRMLNode | None:
        """Return the browser or volume of a cine; ``None`` for a file that is not loaded."""
        return self.node.GetNodeReference(_framesRole(key))

    def source(self, key: str) -> FrameSource:
        """Return the frames of a cine in the scene.

        Raises:
            SourceError: If they are not in the scene.
        """
        node = self.frames(key)
        if node is None:
            raise SourceError(_("{name} is not in the scene any more. Load it again.").format(name=self[key].name))
        return openFrames(node)

    def setFrames(self, key: str, node: slicer.vtkMRMLNode) -> None:
        """Keep the browser of a file that was loaded, and tell its scores."""
        self.node.SetNodeReferenceID(_framesRole(key), node.GetID())
        results = self.results(key)
        if results is not None:
            results.setInput(node)

    def results(self, key: str) -> Results | None:
        """Return the scores of a cine; ``None`` before it is scored."""
        frames = self.frames(key)
        newest = None if frames is None else Results.findOf(frames)
        if newest is not None:
            return newest
        node: slicer.vtkMRMLTableNode | None = self.node.GetNodeReference(_scoresRole(key))
        return None if node is None else Results(node)

    def allResults(self) -> dict[str, Results]:
        """Return the scores of all cines that have some, by key."""
        newest = {
            table.GetNodeReferenceID(INPUT): table for table in resultsTables() if table.GetNodeReferenceID(INPUT)
        }
        found: dict[str, Results] = {}
        for key in self._cines():
            frames = self.node.GetNodeReferenceID(_framesRole(key))
            table = newest.get(frames) if frames else None
            table = table or self.node.GetNodeReference(_scoresRole(key))
            if table is not None:
                found[key] = Results(table)
        return found

    def setResults(self, key: str, results: Results) -> None:
        """Keep the scores of a cine."""
        self.node.SetNodeReferenceID(_scoresRole(key), results.node.GetID())
        fileNodes(NAME, [results.node])

    def keyOf(self, node: slicer.vtkMRMLNode | None) -> str | None:
        """Return the key of the cine that a browser or volume shows; ``None`` if it is not in the list."""
        if node is None:
            return None
        return next((key for key in self._cines() if self.frames(key) is node), None)


def _framesRole(key: str) -> str:
    return f"striqFrames{key}"


def _scoresRole(key: str) -> str:
    return f"striqScores{key}"
