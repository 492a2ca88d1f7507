"""Terms of the quality score, as the scoring process describes them; the extension has no list of its own."""

from __future__ import annotations

from dataclasses import dataclass

from .Messages import TermDescription


@dataclass(frozen=True)
class Term:
    """One term of the quality score.

    Attributes:
        name: Name in tables and files.
        label: Name shown to the user.
        description: One sentence for the user.
    """

    name: str
    label: str
    description: str

    @classmethod
    def of(cls, description: TermDescription) -> Term:
        """Return the term that the scoring process describes."""
        return cls(description["name"], description["label"], description["description"])

    @property
    def normalizedColumn(self) -> str:
        """Column of the term on the scale of Q: 1 is the best seen in training, 0 the worst."""
        return f"{self.name}_normalized"

    @property
    def weightColumn(self) -> str:
        """Column of the term's weight in Q."""
        return f"{self.name}_weight"

    @property
    def columns(self) -> tuple[str, str, str]:
        """All columns of the term: raw value, normalized value, weight."""
        return (self.name, self.normalizedColumn, self.weightColumn)
