"""What ``striq score`` writes beside its table: pictures, structured reports, one HTML page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from striq.commands.terminal import complain
from striq.errors import StriqError

if TYPE_CHECKING:
    from striq.data.cine import Cine
    from striq.reporting.html_report import CineReport
    from striq.reporting.identity import ModelIdentity
    from striq.reporting.rows import FrameResult


@dataclass
class Outputs:
    """Files to write about each cine.

    Attributes:
        model: What scores.
        plots: Folder of pictures, or none.
        dicom_sr: Folder of structured reports, or none.
        html: Page, or none.
        failures: Reports that could not be written.
    """

    model: ModelIdentity
    plots: Path | None = None
    dicom_sr: Path | None = None
    html: Path | None = None
    failures: int = 0
    _taken: set[Path] = field(default_factory=set)
    _cines: list[CineReport] = field(default_factory=list)

    def add(self, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        """Write what is wanted of one file that could be opened."""
        scores = [result.score for result in results if result.score is not None]
        if self.plots is not None and len(scores) > 1:
            from striq.reporting.pictures import draw_scores

            draw_scores(self._name(self.plots, path, ".png"), path.name, scores, cine.__getitem__, self.model.threshold)
        if self.dicom_sr is not None and results:
            self._write_structured_report(self.dicom_sr, path, results)
        if self.html is not None:
            from striq.reporting.html_report import report_cine

            self._cines.append(report_cine(results[0].source, results, cine.__getitem__, self.model.threshold))

    def add_unreadable(self, result: FrameResult) -> None:
        """Note a file that could not be opened."""
        if self.html is not None:
            from striq.reporting.html_report import CineReport

            self._cines.append(CineReport(result.source, (result,)))

    def finish(self) -> None:
        """Write what is about all files together."""
        if self.html is not None:
            from striq.reporting.html_report import write_html

            write_html(self.html, self._cines, self.model)

    def _write_structured_report(self, folder: Path, path: Path, results: list[FrameResult]) -> None:
        from striq.reporting.structured_report import write_structured_report

        try:
            write_structured_report(self._name(folder, path, ".sr.dcm"), path, results, self.model)
        except StriqError as error:
            self.failures += 1
            complain(f"error: {error}")

    def _name(self, folder: Path, path: Path, suffix: str) -> Path:
        """Return a name of its own for a file about a source; two sources may have the same name."""
        number, target = 1, folder / f"{path.name}{suffix}"
        while target in self._taken:
            number += 1
            target = folder / f"{path.name}_{number}{suffix}"
        self._taken.add(target)
        return target
