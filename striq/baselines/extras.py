"""What some baselines need beside unlabeled frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from striq.data.structure_boxes import MarkedBoxes, read_boxes

BOXES, CLIP = "boxes", "clip"
REMEDIES = {
    BOXES: "boxes of structures. Give a table of them: --boxes boxes.csv",
    CLIP: "the weights of CLIP. Give the folder of a downloaded model: --clip FOLDER",
}


@dataclass(frozen=True)
class BaselineExtras:
    """Files that a user has given.

    Attributes:
        boxes: Boxes that a person has marked.
        clip: Folder of a CLIP model in the format of ``transformers``.
    """

    boxes: MarkedBoxes | None = None
    clip: Path | None = None

    @classmethod
    def read(cls, boxes: Path | None, clip: Path | None) -> BaselineExtras:
        """Read the table of boxes, if one is given.

        Raises:
            DatasetError: If the table cannot be used.
        """
        return cls(None if boxes is None else read_boxes(boxes), clip)

    def has(self, need: str) -> bool:
        """Return whether one of ``REMEDIES`` is given; nothing is always given."""
        return not need or getattr(self, need) is not None

    @property
    def names(self) -> list[str]:
        """Names of what is given."""
        return [need for need in REMEDIES if self.has(need)]
