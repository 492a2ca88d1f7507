"""``striq audit``."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands import options
from striq.commands.terminal import check_device, check_writable, complain, say
from striq.errors import StriqError
from striq.progress_bar import progress_bar
from striq.signals import ending_at_once, ending_on_signals

if TYPE_CHECKING:
    from rich.progress import Progress

    from striq.audit.plan import Plan

ENGINES = ("local", "torchrun", "ray")
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def audit(
    archive: Annotated[
        Path,
        typer.Argument(help="Folder of an archive, or a CSV or Parquet manifest (path[,site,operator,study,date])."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for Parquet files and the summary page.")],
    engine: Annotated[
        str, typer.Option(callback=options.one_of(ENGINES), help=f"How to run: {', '.join(ENGINES)}.")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes of torchrun or ray.", show_default="one per GPU, else per processor"),
    ] = None,
    plane: Annotated[
        str, typer.Option(help="Plane that the frames show, or 'auto' to recognize it frame by frame.")
    ] = "auto",
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Quality that an accepted frame exceeds.", show_default="the model's"),
    ] = None,
    max_frames_per_cine: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of frames scored of a cine, evenly spread.", show_default="all"),
    ] = None,
    hash_operators: Annotated[
        bool, typer.Option("--hash-operators", help="Replace names of operators by pseudonyms.")
    ] = False,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Archive files per Parquet file; a study is never divided.")
    ] = 32,
    keep_plan: Annotated[
        bool, typer.Option("--keep-plan", help="Resume an audit with the files listed when it started.")
    ] = False,
    retry_crashed: Annotated[
        bool, typer.Option("--retry-crashed", help="Score files again that were given up after ending their process.")
    ] = False,
    model: options.ModelOption = None,
    device: options.DeviceOption = "auto",
) -> None:
    """Score every frame of an archive into Parquet, with a summary page; the same command resumes a stopped run.

    Exit status 0: everything was scored. 1: some files or frames failed, see the column 'error'. 2: wrong use, no
    model, or a worker failed. 130: interrupted; the Parquet files written so far are complete.
    """
    check_writable(out / "part")
    if engine == "local" and workers not in (None, 1):
        msg = f"The engine 'local' is one process. For {workers} of them add --engine torchrun or --engine ray."
        raise StriqError(msg)
    with ending_at_once():
        importlib.import_module("striq.audit.parquet")  # fails at once if pyarrow is missing
        from striq.audit.engines import torchrun
        from striq.audit.engines.ray_data import import_ray

        if engine == "ray":
            import_ray()
    given = _GivenSettings(plane, threshold, max_frames_per_cine or 0, hash_operators, shard_size)
    job = _Job(archive, out, model, check_device(device), given, keep_plan, retry_crashed)
    if engine == "torchrun" and torchrun.under_torchrun():
        raise typer.Exit(_run_rank(job))
    raise typer.Exit(_run(job, engine, workers))


@ending_on_signals()
def _run(job: _Job, engine: str, workers: int | None) -> int:
    """Score the pending shards, write the summary and return the exit status."""
    from striq.audit.shard_files import pending_shards

    try:
        with progress_bar() as progress:
            plan = job.plan(progress)
            pending = pending_shards(job.out, plan)
            if pending and engine == "local":
                _run_local(job, plan, pending, progress)
            elif pending:
                _run_workers(job, engine, pending, workers, progress)
    except KeyboardInterrupt:
        complain(f"interrupted: finished shards are in {job.out}; run the same command to resume")
        return INTERRUPTED
    return job.finish(plan)


def _run_local(job: _Job, plan: Plan, pending: list[int], progress: Progress) -> None:
    from striq.audit.worker import AuditWorker

    task = progress.add_task("Files", total=sum(len(plan.shards[number]) for number in pending))
    worker = AuditWorker(job.out, job.model, job.device)
    for number in pending:
        worker.run(number, lambda: progress.advance(task))


def _run_workers(job: _Job, engine: str, pending: list[int], workers: int | None, progress: Progress) -> None:
    from striq.audit.engines.processes import default_workers
    from striq.audit.engines.ray_data import run_ray
    from striq.audit.engines.torchrun import launch
    from striq.audit.layout import shard_path

    task, count = progress.add_task("Shards", total=len(pending)), workers or default_workers()
    if engine == "ray":
        advance = partial(progress.advance, task)
        run_ray(job.out, job.model, job.device, pending, workers=count, advance=advance)
        return

    def watch() -> None:
        progress.update(task, completed=sum(shard_path(job.out, number).is_file() for number in pending))

    launch(job.out, job.model, job.device, workers=count, watch=watch)


@ending_on_signals()
def _run_rank(job: _Job) -> int:
    """Score shards in one of the processes that ``torchrun`` started; the first one plans and writes the summary."""
    from striq.audit.engines import torchrun
    from striq.audit.plan import read_plan

    store, rank = torchrun.join()
    torchrun.wait_for_plan(store, rank, lambda: job.plan(progress_bar()))
    torchrun.run_rank(store, job.out, job.model, job.device)
    if rank == 0:
        plan = read_plan(job.out)
        torchrun.wait_until_done(job.out, plan)
        job.finish(plan)
    return 0  # torchrun takes any other status as a failure of the process


@dataclass(frozen=True)
class _GivenSettings:
    """Settings given on the command line; named as those of ``AuditSettings``."""

    plane: str
    threshold: float | None
    max_frames_per_cine: int
    hash_operators: bool
    shard_size: int


@dataclass(frozen=True)
class _Job:
    """An audit as given on the command line."""

    archive: Path
    out: Path
    model: Path | None
    device: str
    given: _GivenSettings
    keep_plan: bool
    retry_crashed: bool

    def plan(self, progress: Progress) -> Plan:
        """Return the plan of the audit, new or resumed."""
        import striq
        from striq.audit.plan import AuditSettings
        from striq.audit.planning import plan_audit
        from striq.audit.shard_files import reopen_crashed
        from striq.reporting.identity import ModelIdentity
        from striq.scoring.checkpoint import find_checkpoint
        from striq.scoring.loading import load_scorer

        checkpoint = find_checkpoint(self.model)
        scorer = load_scorer(checkpoint, "cpu")
        given = self.given
        scorer.score([], given.plane)  # raises if the model does not know the plane
        threshold = scorer.config.quality.threshold if given.threshold is None else given.threshold
        identity = ModelIdentity.of(checkpoint, threshold)
        settings = AuditSettings(
            model_sha256=identity.sha256,
            model_name=f"{identity.name} {identity.version}".strip(),
            striq_version=striq.__version__,
            threshold=threshold,
            plane=given.plane,
            max_frames_per_cine=given.max_frames_per_cine,
            hash_operators=given.hash_operators,
            shard_size=given.shard_size,
        )
        plan = plan_audit(
            self.archive,
            self.out,
            settings,
            keep_plan=self.keep_plan,
            say=complain,
            track=lambda files: progress.track(files, description="Headers"),
        )
        if self.retry_crashed:
            reopen_crashed(self.out, plan)
        return plan

    def finish(self, plan: Plan) -> int:
        """Write the summary of an audit whose shards are all done, and return the exit status."""
        from striq.audit.layout import SUMMARY_NAME
        from striq.audit.page import write_summary
        from striq.audit.shard_files import pending_shards, remove_leftovers
        from striq.audit.summary import summarize

        left = pending_shards(self.out, plan)
        if left:
            msg = f"{self.out}: {len(left)} of {len(plan.shards)} shards are not done. Run the same command again."
            raise StriqError(msg)
        remove_leftovers(self.out)
        summary = summarize(self.out, plan)
        page = write_summary(self.out / SUMMARY_NAME, summary)
        say(f"{summary.num_scored} frames of {summary.num_files} files scored, {len(summary.unreadable)} with failures")
        say(f"{self.out}: one row per frame in {len(plan.shards)} Parquet files; summary: {page}")
        return 1 if summary.unreadable else 0
