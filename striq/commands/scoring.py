"""``striq score``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands.given_settings import read_given_policy, warn_of_policy
from striq.commands.options import (
    DeviceOption,
    DicomSrOption,
    ModelOption,
    PolicyOption,
    PrecisionOption,
    QuietOption,
    ThreadsOption,
    ThresholdOption,
)
from striq.commands.outputs import OutputOptions, Outputs
from striq.commands.terminal import (
    be_quiet,
    check_device,
    check_no_input,
    check_table_name,
    check_writable,
    complain,
    inform,
    say,
)
from striq.csv_cells import printable
from striq.errors import StriqError
from striq.progress_bar import progress_bar
from striq.signals import ending_at_once, ending_on_signals

if TYPE_CHECKING:
    from rich.progress import Progress

    from striq.data.cine import Cine
    from striq.reporting.score_table import ScoreTable, Settings, StreamedRows
    from striq.scoring.results import FrameResult
    from striq.scoring.scorer import StriqScorer

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
STDOUT = "-"
MISSING_OUT = "Name a table to write, or - for standard output."


def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders of images and cines.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="CSV to write: one row per frame; - for standard output. Not needed with --json."
        ),
    ] = None,
    plane: Annotated[
        str, typer.Option(help="Plane that the frames show, or 'auto' to recognize it frame by frame.")
    ] = "auto",
    threshold: ThresholdOption = None,
    policy: PolicyOption = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    precision: PrecisionOption = "float32",
    plots: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a picture of each cine, the score over time, and of each single image, its terms."
        ),
    ] = None,
    dicom_sr: DicomSrOption = None,
    html: Annotated[Path | None, typer.Option(help="HTML page to write: all cines, opens offline.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the rows that a stopped run left in OUT.partial.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each row as JSON on a line, as soon as it is scored, and nothing else."),
    ] = False,
) -> None:
    """Score every frame of files and folders into a CSV.

    Exit status 0: everything was scored. 1: some files, frames or reports failed, see the column 'error' and the
    messages. 2: wrong use, no model, or a full disk. 130: interrupted. A run that is stopped leaves its rows in
    OUT.partial, and OUT as it was.
    """
    be_quiet(quiet=quiet)
    to_stdout = out is None or str(out) == STDOUT
    _check_wishes(out, as_json=as_json)
    rules, _ = read_given_policy(policy, threshold)
    options = OutputOptions(plots, dicom_sr, html)
    options.check(paths)
    if resume and (to_stdout or html is not None):
        msg = "--resume needs a table in a file and no --html page, which shows the files of one run."
        raise StriqError(msg)
    with ending_at_once():
        from striq.data.readers import find_sources
        from striq.reporting.identity import ModelIdentity
        from striq.reporting.score_table import NoTable, StreamedRows, StreamedTable
        from striq.scoring.checkpoint import find_checkpoint
        from striq.scoring.devices import AUTO
        from striq.scoring.loading import load_scorer
    if out is not None and not to_stdout:
        check_table_name(out)
    with ending_on_signals():
        scorer = load_scorer(model, check_device(device, threads), precision=precision)
        if plane != AUTO:
            scorer.plane_index(plane)
        limit = scorer.config.quality.threshold if threshold is None else threshold
        identity = ModelIdentity.of(find_checkpoint(model), limit, rules)
        for sentence in warn_of_policy(rules, scorer.planes):
            inform(sentence)
        sources = options.leave_out(find_sources(paths), paths)
        for place in (out, html):
            if place is not None:
                check_no_input(place, sources)
        job = _Job(
            scorer, plane, Outputs(identity, options), StreamedRows(policy=rules is not None) if as_json else None
        )
        if out is None or to_stdout:
            job.start(NoTable() if as_json else StreamedTable(policy=rules is not None))
            raise typer.Exit(_run(job, sources, "standard output", say=inform))
        settings = {"model_sha256": identity.sha256, "threshold": limit, "plane": plane, "precision": precision}
        if rules is not None:
            settings["policy_sha256"] = rules.sha256
        raise typer.Exit(_run_to_file(job, sources, out, settings, resume=resume))


def _check_wishes(out: Path | None, *, as_json: bool) -> None:
    if out is None and not as_json:
        raise typer.BadParameter(MISSING_OUT, param_hint="--out")
    if out is not None and str(out) == STDOUT and as_json:
        msg = "--json prints rows to standard output, and so does --out -. Leave one out, or name a file."
        raise StriqError(msg)
    if out is not None and str(out) != STDOUT:
        check_writable(out)


def _run_to_file(job: _Job, sources: list[Path], out: Path, settings: Settings, *, resume: bool) -> int:
    """Score the sources into a file that grows; what ends the run early leaves the rows in the partial file."""
    from striq.reporting.rows import source_name
    from striq.reporting.score_table import GrowingTable, source_cell

    table = GrowingTable(out, settings, resume=resume, policy=job.outputs.model.policy is not None)
    if table.num_replaced:
        inform(f"{table.partial}: {table.num_replaced} rows of a stopped run are replaced; --resume keeps them")
    kept = [path for path in sources if source_cell(source_name(path)) in table.done]
    job.start(table, num_rows=table.num_rows, num_failed=table.num_failed)
    try:
        left = [path for path in sources if path not in set(kept)]
        return _run(job, left, str(out), num_kept=len(kept), say=say if job.rows is None else inform)
    except BaseException as error:
        what = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped"
        if job.num_rows:
            inform(f"{what}: the rows scored so far are in {table.partial}; the same command with --resume goes on")
        elif isinstance(error, KeyboardInterrupt):
            inform(f"{what}: nothing has been scored")
        if isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        raise
    finally:
        table.close()


def _run(job: _Job, sources: list[Path], name: str, *, num_kept: int = 0, say: Callable[[str], object] = say) -> int:
    """Score the sources and complete table and page; the page also after an interruption or an error."""
    from striq.scoring.opening import open_ahead

    try:
        with progress_bar() as progress:
            for path, cine in progress.track(open_ahead(sources), total=len(sources), description="Files"):
                job.score_file(path, cine, progress)
        job.table.finish()
    finally:
        job.outputs.finish(len(sources) - job.num_done)
    say(
        f"{job.num_rows - job.num_failed} frames of {num_kept + len(sources)} files scored, {job.num_failed} failures: "
        f"{name}"
    )
    return 1 if job.num_failed or job.outputs.failures else 0


class _Job:
    """Scores one file after the other into a table, and prints rows if asked to."""

    def __init__(self, scorer: StriqScorer, plane: str, outputs: Outputs, rows: StreamedRows | None) -> None:
        self.scorer, self.plane, self.outputs, self.rows = scorer, plane, outputs, rows
        outputs.explain_by(scorer, plane)
        self.num_rows = self.num_failed = 0
        self.num_done = 0  # files

    def start(self, table: ScoreTable, *, num_rows: int = 0, num_failed: int = 0) -> None:
        """Take the table to write to, and the numbers of rows and failures that it has."""
        self.table, self.num_rows, self.num_failed = table, num_rows, num_failed

    def score_file(self, path: Path, cine: Cine | StriqError, progress: Progress) -> None:
        """Write the rows of one file; print one line if the file or some of its frames cannot be scored."""
        from striq.audit.judgement import judge_by
        from striq.reporting.rows import source_name
        from striq.scoring.cine_scoring import score_cine, until_failure
        from striq.scoring.results import FrameResult

        source, threshold = source_name(path), self.outputs.model.threshold
        judge = judge_by(self.outputs.model, path)
        if isinstance(cine, StriqError):
            failed = judge(FrameResult(source, None, error=str(cine)))
            self._add(failed)
            self.outputs.add_unreadable(failed)
            self.num_done += 1
            complain(f"error: {cine}")
            return
        results: list[FrameResult] = []
        task = progress.add_task(printable(path.name), total=len(cine))
        try:
            scores = score_cine(self.scorer, cine, source, plane=self.plane, threshold=threshold)
            for result in map(judge, until_failure(scores, source)):
                self._add(result)
                results.append(result)
                progress.advance(task)
        finally:
            progress.remove_task(task)
        self._report(path, cine, results)
        self.num_done += 1

    def _add(self, result: FrameResult) -> None:
        self.table.add(result)
        if self.rows is not None:
            self.rows.add(result)
        self.num_rows += 1
        self.num_failed += result.score is None

    def _report(self, path: Path, cine: Cine, results: list[FrameResult]) -> None:
        errors = [result.error for result in results if result.score is None]
        if errors:
            complain(f"error: {path}: {len(errors)} of {len(cine)} frames cannot be scored; the first: {errors[0]}")
        self.outputs.add(path, cine, results)
