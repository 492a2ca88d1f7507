"""``striq score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands.options import DeviceOption, ModelOption, PrecisionOption
from striq.commands.outputs import OutputOptions, Outputs
from striq.commands.terminal import check_device, check_writable, complain, say
from striq.errors import StriqError
from striq.progress_bar import progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress

    from striq.data.cine import Cine
    from striq.scoring.results import FrameResult
    from striq.scoring.scorer import StriqScorer

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders of images and cines.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV to write: one row per frame.")],
    plane: Annotated[
        str, typer.Option(help="Plane that the frames show, or 'auto' to recognize it frame by frame.")
    ] = "auto",
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Quality that an accepted frame exceeds.", show_default="the model's"),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "float32",
    plots: Annotated[Path | None, typer.Option(help="Folder for a picture of each cine: score over time.")] = None,
    dicom_sr: Annotated[
        Path | None, typer.Option(help="Folder for a DICOM structured report (TID 1500) of each DICOM file.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="HTML page to write: all cines, opens offline.")] = None,
) -> None:
    """Score every frame of files and folders into a CSV.

    Exit status 0: everything was scored. 1: some files, frames or reports failed, see the column 'error' and the
    messages. 2: wrong use, or no model. 130: interrupted; the rows scored so far are written.
    """
    check_writable(out)
    options = OutputOptions(plots, dicom_sr, html)
    options.check(paths)
    from striq.data.readers import find_sources
    from striq.reporting.identity import ModelIdentity
    from striq.scoring.checkpoint import find_checkpoint
    from striq.scoring.devices import AUTO
    from striq.scoring.loading import load_scorer

    scorer = load_scorer(model, check_device(device), precision=precision)
    if plane != AUTO:
        scorer.plane_index(plane)
    limit = scorer.config.quality.threshold if threshold is None else threshold
    job = _Job(scorer, plane, Outputs(ModelIdentity.of(find_checkpoint(model), limit), options))
    with progress_bar() as progress:
        status = _run(job, options.leave_out(find_sources(paths), paths), out, progress)
    raise typer.Exit(status)


def _run(job: _Job, sources: list[Path], out: Path, progress: Progress) -> int:
    """Score the sources and write the table, also after an interruption or an error."""
    from striq.reporting.rows import write_scores

    try:
        for path in progress.track(sources, description="Files"):
            job.score_file(path, progress)
    except KeyboardInterrupt:
        complain(f"interrupted: the rows scored so far are in {out}")
        return INTERRUPTED
    finally:
        write_scores(out, job.results)
        job.outputs.finish(len(sources) - job.num_done)
    failed = sum(result.score is None for result in job.results)
    say(f"{len(job.results) - failed} frames of {len(sources)} files scored, {failed} failures: {out}")
    return 1 if failed or job.outputs.failures else 0


class _Job:
    """Scores one file after the other and collects the results."""

    def __init__(self, scorer: StriqScorer, plane: str, outputs: Outputs) -> None:
        self.scorer, self.plane, self.outputs = scorer, plane, outputs
        self.results: list[FrameResult] = []
        self.num_done = 0  # files

    def score_file(self, path: Path, progress: Progress) -> None:
        """Add the results of one file; print one line if the file or some of its frames cannot be scored."""
        from striq.data.readers import open_cine
        from striq.reporting.rows import source_name
        from striq.scoring.cine_scoring import score_cine
        from striq.scoring.results import FrameResult

        source, first = source_name(path), len(self.results)
        try:
            cine = open_cine(path)
        except StriqError as error:
            self.results.append(FrameResult(source, None, error=str(error)))
            self.outputs.add_unreadable(self.results[-1])
            self.num_done += 1
            complain(f"error: {error}")
            return
        task = progress.add_task(path.name, total=len(cine))
        try:
            threshold = self.outputs.model.threshold
            for result in score_cine(self.scorer, cine, source, plane=self.plane, threshold=threshold):
                self.results.append(result)
                progress.advance(task)
        finally:
            progress.remove_task(task)
        self._report(path, cine, self.results[first:])
        self.num_done += 1

    def _report(self, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        errors = [result.error for result in results if result.score is None]
        if errors:
            complain(f"error: {path}: {len(errors)} of {len(cine)} frames cannot be scored; the first: {errors[0]}")
        self.outputs.add(path, cine, results)
