"""``striq score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands.options import DeviceOption, ModelOption
from striq.commands.terminal import check_device, check_writable, complain, progress_bar, say
from striq.errors import StriqError

if TYPE_CHECKING:
    from rich.progress import Progress

    from striq.data.cine import Cine
    from striq.reporting.rows import FrameResult
    from striq.scorer import StriqScorer

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders of images and cines.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV to write: one row per frame.")],
    plane: Annotated[str, typer.Option(help="Plane the frames show, or 'auto' to decide per frame.")] = "auto",
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Quality above which a frame is accepted.", show_default="the model's"),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    plots: Annotated[Path | None, typer.Option(help="Folder for a picture per cine: score over time.")] = None,
) -> None:
    """Score every frame of files and folders into a CSV.

    Exit status 0: all scored. 1: some could not be read, see the column 'error'. 2: wrong use, or no model.
    130: interrupted; the rows done so far are written.
    """
    check_writable(out)
    from striq.data.readers import find_sources
    from striq.scorer import AUTO, load_scorer

    scorer = load_scorer(model, check_device(device))
    if plane != AUTO:
        scorer.plane_index(plane)
    job = _Job(scorer, plane, scorer.config.quality.threshold if threshold is None else threshold, plots)
    with progress_bar() as progress:
        status = _run(job, find_sources(paths), out, progress)
    raise typer.Exit(status)


def _run(job: _Job, sources: list[Path], out: Path, progress: Progress) -> int:
    """Score the sources and write the table, whatever stops the work."""
    from striq.reporting.rows import write_scores

    try:
        for path in progress.track(sources, description="Files"):
            job.score_file(path, progress)
    except KeyboardInterrupt:
        complain(f"interrupted: the rows done so far are in {out}")
        return INTERRUPTED
    finally:
        write_scores(out, job.results)
    failed = sum(result.score is None for result in job.results)
    say(f"{len(job.results) - failed} frames of {len(sources)} files scored, {failed} failures: {out}")
    return 1 if failed else 0


class _Job:
    """Scoring of one file after the other, with the results so far."""

    def __init__(self, scorer: StriqScorer, plane: str, threshold: float, plots: Path | None) -> None:
        self.scorer, self.plane, self.threshold, self.plots = scorer, plane, threshold, plots
        self.results: list[FrameResult] = []
        self.pictures: set[Path] = set()

    def score_file(self, path: Path, progress: Progress) -> None:
        """Add the results of one file, and complain in one line if something in it cannot be read."""
        from striq.data.readers import open_cine
        from striq.reporting.rows import FrameResult, source_name
        from striq.reporting.scoring import score_cine

        source, first = source_name(path), len(self.results)
        try:
            cine = open_cine(path)
        except StriqError as error:
            self.results.append(FrameResult(source, None, error=str(error)))
            complain(f"error: {error}")
            return
        task = progress.add_task(path.name, total=len(cine))
        try:
            for result in score_cine(self.scorer, cine, source, plane=self.plane, threshold=self.threshold):
                self.results.append(result)
                progress.advance(task)
        finally:
            progress.remove_task(task)
        self._report(path, cine, self.results[first:])

    def _report(self, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        errors = [result.error for result in results if result.score is None]
        if errors:
            complain(f"error: {path}: {len(errors)} of {len(cine)} frames cannot be scored; the first: {errors[0]}")
        scores = [result.score for result in results if result.score is not None]
        if self.plots is not None and len(scores) > 1:
            from striq.reporting.pictures import draw_scores

            draw_scores(self._picture(path), path.name, scores, cine.__getitem__, self.threshold)

    def _picture(self, path: Path) -> Path:
        """Return a name of its own for the picture of a file; two files may have the same name."""
        assert self.plots is not None
        number, target = 1, self.plots / f"{path.name}.png"
        while target in self.pictures:
            number += 1
            target = self.plots / f"{path.name}_{number}.png"
        self.pictures.add(target)
        return target
