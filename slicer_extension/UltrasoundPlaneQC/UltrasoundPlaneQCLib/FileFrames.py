"""Frames of a file that is scored where it lies, without being loaded into the scene."""

from __future__ import annotations

from typing import Any, NoReturn

import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from .FrameSource import SourceError


class FileFrames:
    """What the scoring process tells about a file; its frames are not in the scene.

    Args:
        name: Name of the cine.
        path: File that the scoring process reads.
        answer: Its answer ``read``.
    """

    def __init__(self, name: str, path: str, answer: dict[str, Any]) -> None:
        self.name = name
        self.file: str | None = path
        self.numFrames: int = answer["total"]
        self.timesS: list[float] | None = answer["times_s"]
        rowMm, columnMm = answer["spacing_mm"] or (1.0, 1.0)
        self.spacingMm: tuple[float, float] = (rowMm, columnMm)
        self.dicomFile: str | None = None
        self.isInScene = True  # nothing in the scene can be removed

    @property
    def node(self) -> slicer.vtkMRMLNode | None:
        """There is no node."""
        return None

    @property
    def volume(self) -> NoReturn:
        """There is no volume.

        Raises:
            SourceError: Always.
        """
        raise self._notLoaded()

    def frame(self, index: int) -> NDArray[Any]:
        """Frames are read by the scoring process only.

        Raises:
            SourceError: Always.
        """
        del index
        raise self._notLoaded()

    def currentIndex(self) -> int:
        """Return 0: no frame is shown."""
        return 0

    def select(self, index: int) -> None:
        """Do nothing: no frame is shown."""

    def volumeAt(self, index: int) -> NoReturn:
        """There is no volume.

        Raises:
            SourceError: Always.
        """
        del index
        raise self._notLoaded()

    def _notLoaded(self) -> SourceError:
        return SourceError(_("{name} is not loaded.").format(name=self.name))
