"""Scores of several frames: a sequence that is also a table, a plot, and a page of a notebook."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, overload

from striq.errors import StriqError
from striq.scoring.columns import Value, score_columns, score_values
from striq.scoring.results import FrameResult
from striq.types import FrameScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

PANDAS_TYPES = {str: "object", int: "Int64", float: "float64", bool: "boolean"}  # the capital and "boolean" hold gaps


class Scores(Sequence[FrameScore]):
    """The scores of frames in order, and what could not be scored.

    As a sequence it holds the scores alone; table, dictionary, plot and page show the errors as well.

    Args:
        results: One per frame, or per file that could not be opened.

    Attributes:
        results: The same, in order.
    """

    def __init__(self, results: Iterable[FrameResult]) -> None:
        self.results = tuple(results)
        self._scores = tuple(result.score for result in self.results if result.score is not None)

    @overload
    def __getitem__(self, index: int) -> FrameScore: ...
    @overload
    def __getitem__(self, index: slice) -> Scores: ...
    def __getitem__(self, index: int | slice) -> FrameScore | Scores:
        if isinstance(index, slice):
            return Scores([result for result in self.results if result.score is not None][index])
        return self._scores[index]

    def __len__(self) -> int:
        return len(self._scores)

    def __repr__(self) -> str:
        errors = f", {len(self.errors)} errors" if self.errors else ""
        return f"Scores({len(self)} frames, {sum(score.accepted for score in self)} accepted{errors})"

    @property
    def errors(self) -> tuple[FrameResult, ...]:
        """Frames that could not be scored, and files that could not be opened."""
        return tuple(result for result in self.results if result.score is None)

    def to_dict(self) -> dict[str, list[Value]]:
        """Return every column of the table by name, in plain values; ``None`` where a row has none."""
        rows = [score_values(result) for result in self.results]
        return {name: [row[name] for row in rows] for name in score_columns()}

    def to_dataframe(self) -> DataFrame:
        """Return a data frame of pandas with the columns of ``striq score``'s table, one row per result.

        Raises:
            StriqError: If pandas is not installed.
        """
        if importlib.util.find_spec("pandas") is None:
            msg = "A data frame needs pandas. Install it: pip install 'striq[dataframe]'."
            raise StriqError(msg)
        from pandas import DataFrame as Frame
        from pandas import Series

        columns = self.to_dict()
        types = {name: PANDAS_TYPES[kind] for name, kind in score_columns().items()}
        return Frame({name: Series(values, dtype=types[name]) for name, values in columns.items()})

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the quality over time, with threshold and verdicts, and return the axes.

        Several files follow one another, and the axis counts their frames.

        Args:
            axes: Axes of Matplotlib to draw on; those of a new figure by default.

        Raises:
            StriqError: If there is no score.
        """
        from striq.scoring.score_plot import plot_scores

        return plot_scores(self.results, axes)

    def _repr_html_(self) -> str:
        """Return the scores as a part of a notebook."""
        from striq.scoring.notebook_page import page_of

        return page_of(self.results)
