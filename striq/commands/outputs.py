"""What ``striq score`` writes beside its table: pictures, structured reports, one HTML page."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from striq.commands.terminal import check_writable, complain
from striq.errors import StriqError

if TYPE_CHECKING:
    from striq.data.cine import Cine
    from striq.reporting.html_report import CineReport
    from striq.reporting.identity import ModelIdentity
    from striq.scoring.results import FrameResult
    from striq.scoring.scorer import StriqScorer


@dataclass(frozen=True)
class OutputOptions:
    """Files to write about each cine, as asked for.

    Attributes:
        plots: Folder of pictures, or none.
        dicom_sr: Folder of structured reports, or none.
        html: Page, or none.
    """

    plots: Path | None = None
    dicom_sr: Path | None = None
    html: Path | None = None

    def check(self, paths: Sequence[Path]) -> None:
        """Refuse, before any work is done, what cannot be written at the end.

        Args:
            paths: Files and folders to score.

        Raises:
            StriqError: If a place cannot be written, reports would lie among the images, or highdicom is missing.
        """
        if self.html is not None:
            check_writable(self.html)
        if self.dicom_sr is None:
            return
        if importlib.util.find_spec("highdicom") is None:
            msg = "--dicom-sr needs the package highdicom. Install it: pip install 'striq[dicom-sr]'."
            raise StriqError(msg)
        check_writable(self.dicom_sr / "report.sr.dcm")
        inside = [path for path in paths if path.is_dir() and self.dicom_sr.resolve().is_relative_to(path.resolve())]
        if inside:
            msg = (
                f"--dicom-sr {self.dicom_sr}: lies inside {inside[0]}, which is scored: the next run would take the "
                "reports for images. Name a folder outside."
            )
            raise StriqError(msg)

    def leave_out(self, sources: Sequence[Path], paths: Sequence[Path]) -> list[Path]:
        """Return the files to score without the pictures that an earlier run drew into a folder among them.

        Args:
            sources: Files found.
            paths: Files and folders asked for; what lies with the pictures and was named itself is scored.
        """
        if self.plots is None:
            return list(sources)
        drawn = self.plots.resolve()
        if any(path.resolve().is_relative_to(drawn) for path in paths):
            return list(sources)
        return [source for source in sources if not source.resolve().is_relative_to(drawn)]


@dataclass
class Outputs:
    """Files about each cine, written as it is scored.

    Attributes:
        scorer: What scores.
        model: What is said about it.
        wanted: What to write.
        failures: Reports that could not be written.
    """

    scorer: StriqScorer
    model: ModelIdentity
    wanted: OutputOptions
    failures: int = 0
    _taken: set[Path] = field(default_factory=set)
    _cines: list[CineReport] = field(default_factory=list)

    def add(self, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        """Write what is wanted of one file that could be opened; a failure costs no other file."""
        if self.wanted.plots is not None:
            with self._counting_failures(path):
                self._draw(self.wanted.plots, path, cine, results)
        if self.wanted.dicom_sr is not None:
            with self._counting_failures(path):
                self._write_structured_report(self.wanted.dicom_sr, path, results)
        if self.wanted.html is not None:
            with self._counting_failures(path):
                self._add_to_page(cine, results)

    def add_unreadable(self, result: FrameResult) -> None:
        """Note a file that could not be opened."""
        if self.wanted.html is not None:
            from striq.reporting.html_report import CineReport

            self._cines.append(CineReport(result.source, (result,)))

    def finish(self, num_left: int) -> None:
        """Write what is about all files together.

        Args:
            num_left: Files that an interruption left without a score.
        """
        if self.wanted.html is not None:
            from striq.reporting.html_report import write_html

            write_html(self.wanted.html, self._cines, self.model, num_left=num_left)

    @contextmanager
    def _counting_failures(self, path: Path) -> Iterator[None]:
        try:
            yield
        except StriqError as error:
            self.failures += 1
            complain(f"error: {error}")
        except OSError as error:
            self.failures += 1
            complain(f"error: {path}: a report about it cannot be written ({error}).")

    def _draw(self, folder: Path, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        scores = [result.score for result in results if result.score is not None]
        if len(scores) > 1:
            from striq.reporting.pictures import draw_scores

            draw_scores(self._name(folder, path, ".png"), path.name, scores, cine.__getitem__, self.model.threshold)

    def _write_structured_report(self, folder: Path, path: Path, results: list[FrameResult]) -> None:
        from striq.reporting.structured_report import write_structured_report

        write_structured_report(self._name(folder, path, ".sr.dcm"), path, results, self.model)

    def _add_to_page(self, cine: Cine, results: list[FrameResult]) -> None:
        from striq.reporting.html_report import CineReport, report_cine
        from striq.reporting.normalized_terms import term_shares

        source = results[0].source
        try:
            found = report_cine(source, results, cine.__getitem__, term_shares)
        except (StriqError, OSError):  # the frames are gone since they were scored; their scores are not
            self._cines.append(CineReport(source, tuple(results)))
            raise
        self._cines.append(found)

    def _name(self, folder: Path, path: Path, suffix: str) -> Path:
        """Return a name of its own for a file about a source; two sources may have the same name."""
        number, target = 1, folder / f"{path.name}{suffix}"
        while target in self._taken:
            number += 1
            target = folder / f"{path.name}_{number}{suffix}"
        self._taken.add(target)
        return target
