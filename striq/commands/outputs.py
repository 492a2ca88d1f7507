"""Files that ``striq score`` writes beside its table: pictures, structured reports, an HTML page."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from striq.commands.terminal import check_writable, complain
from striq.csv_cells import printable
from striq.errors import StriqError, unexpected

if TYPE_CHECKING:
    from striq.data.cine import Cine
    from striq.reporting.frame_pictures import Explain
    from striq.reporting.html_report import CineReport
    from striq.reporting.identity import ModelIdentity
    from striq.scoring.results import FrameResult
    from striq.scoring.scorer import StriqScorer


@dataclass(frozen=True)
class OutputOptions:
    """Which files to write beside the table.

    Attributes:
        plots: Folder for pictures; ``None`` for no pictures.
        dicom_sr: Folder for structured reports; ``None`` for none.
        html: HTML page to write; ``None`` for no page.
    """

    plots: Path | None = None
    dicom_sr: Path | None = None
    html: Path | None = None

    def check(self, paths: Sequence[Path]) -> None:
        """Check before any work is done that the files can be written.

        Args:
            paths: Files and folders to score.

        Raises:
            StriqError: If a file cannot be written, the folder of reports is inside a scored folder, or highdicom is
                missing.
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
                f"--dicom-sr {self.dicom_sr}: is inside the scored folder {inside[0]}, so the next run would read the "
                "reports as images. Name a folder outside."
            )
            raise StriqError(msg)

    def leave_out(self, sources: Sequence[Path], paths: Sequence[Path]) -> list[Path]:
        """Return the files to score, without pictures that an earlier run drew into a scored folder.

        Args:
            sources: Files found.
            paths: Files and folders given on the command line. If one of them is in the folder of pictures, nothing
                is left out.
        """
        if self.plots is None:
            return list(sources)
        drawn = self.plots.resolve()
        if any(path.resolve().is_relative_to(drawn) for path in paths):
            return list(sources)
        return [source for source in sources if not source.resolve().is_relative_to(drawn)]


@dataclass
class Outputs:
    """Writer of the files beside the table.

    Attributes:
        model: The model named in reports.
        options: Which files to write.
        failures: Number of reports that could not be written.
    """

    model: ModelIdentity
    options: OutputOptions
    failures: int = 0
    _taken: set[str] = field(default_factory=set)
    _cines: list[CineReport] = field(default_factory=list)
    _explain: Explain | None = None

    def explain_by(self, scorer: StriqScorer, plane: str) -> None:
        """Show on the HTML page what the scores of the best and the worst frame rest on.

        Args:
            scorer: The model that scores.
            plane: As for ``StriqScorer.score``.
        """
        if self.options.html is None or self.model.checkpoint is None:
            return
        from striq.reporting.explained_frame import FrameExplainer

        explainer = FrameExplainer(scorer, self.model.checkpoint)
        self._explain = lambda frame, score: explainer.explain(frame, plane, score.threshold)

    def add(self, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        """Write the pictures and reports of one scored file; a failure is counted and printed."""
        if self.options.plots is not None:
            with self._counting_failures(path):
                self._draw(self.options.plots, path, cine, results)
        if self.options.dicom_sr is not None:
            with self._counting_failures(path):
                self._write_structured_report(self.options.dicom_sr, path, results)
        if self.options.html is not None:
            with self._counting_failures(path):
                self._add_to_page(cine, results)

    def add_unreadable(self, result: FrameResult) -> None:
        """Add a file that could not be opened to the HTML page."""
        if self.options.html is not None:
            from striq.reporting.html_report import CineReport

            self._cines.append(CineReport(result.source, (result,)))

    def finish(self, num_left: int) -> None:
        """Write the HTML page.

        Args:
            num_left: Number of files not scored because of an interruption.
        """
        if self.options.html is not None:
            from striq.reporting.html_report import write_html

            write_html(self.options.html, self._cines, self.model, num_left=num_left)

    @contextmanager
    def _counting_failures(self, path: Path) -> Generator[None]:
        try:
            yield
        except StriqError as error:
            self.failures += 1
            complain(f"error: {error}")
        except Exception as error:  # a report of one file must not end the scoring of the others
            self.failures += 1
            complain(f"error: {path}: a report about it cannot be written ({unexpected(error)}).")

    def _draw(self, folder: Path, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        scores = [result.score for result in results if result.score is not None]
        if len(cine) > 1 and scores:
            from striq.reporting.pictures import draw_scores

            draw_scores(self._name(folder, path, ".png"), printable(path.name), results, cine.__getitem__)
        elif scores:
            from striq.reporting.still_picture import draw_still

            draw_still(self._name(folder, path, ".png"), printable(path.name), scores[0], cine[scores[0].index])

    def _write_structured_report(self, folder: Path, path: Path, results: list[FrameResult]) -> None:
        from striq.reporting.structured_report import write_structured_report

        write_structured_report(self._name(folder, path, ".sr.dcm"), path, results, self.model)

    def _add_to_page(self, cine: Cine, results: list[FrameResult]) -> None:
        from striq.reporting.html_report import CineReport, report_cine

        source = results[0].source
        try:
            found = report_cine(source, results, cine.__getitem__, self._explain)
        except Exception:  # as when the file has become unreadable since it was scored; its scores remain
            self._cines.append(CineReport(source, tuple(results)))
            raise
        self._cines.append(found)

    def _name(self, folder: Path, path: Path, suffix: str) -> Path:
        """Return the path of a file about a source, numbered if another has the same name, in whatever case.

        On some systems ``A.png`` and ``a.png`` are one file.
        """
        number, target = 1, folder / f"{path.name}{suffix}"
        while str(target).casefold() in self._taken:
            number += 1
            target = folder / f"{path.name}_{number}{suffix}"
        self._taken.add(str(target).casefold())
        return target
