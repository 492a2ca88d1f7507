"""``striq audit``."""

from __future__ import annotations

import datetime
import importlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands import given_settings, options
from striq.commands.audit_job import AuditJob, GivenSettings
from striq.commands.outputs import OutputOptions
from striq.commands.terminal import be_quiet, check_device, check_writable, inform
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
        typer.Argument(
            help="Folder of an archive, or a CSV or Parquet manifest (path[,site,operator,study,date,examination])."
        ),
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
    threshold: options.ThresholdOption = None,
    policy: options.PolicyOption = None,
    max_frames_per_cine: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of frames scored of a cine, evenly spread.", show_default="all"),
    ] = None,
    hash_operators: Annotated[
        bool, typer.Option("--hash-operators", help="Replace names of operators by pseudonyms.")
    ] = False,
    since: Annotated[
        datetime.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Add only files of studies of this date or later; files scored before stay."
        ),
    ] = None,
    precision: options.PrecisionOption = "float32",
    dicom_sr: options.DicomSrOption = None,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Archive files per Parquet file; a study is never divided.")
    ] = 32,
    keep_plan: Annotated[
        bool, typer.Option("--keep-plan", help="Do not look for new, changed and gone files.")
    ] = False,
    retry_crashed: Annotated[
        bool, typer.Option("--retry-crashed", help="Score files again that were given up after ending their process.")
    ] = False,
    model: options.ModelOption = None,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Score every frame of an archive into Parquet, with a summary page; the same command resumes and continues it.

    On an archive that has grown, new and changed files are scored, and the rows of files that are gone are marked.
    Another threshold or policy is applied without scoring.

    Exit status 0: everything was scored. 1: some files or frames failed, see the column 'error'. 2: wrong use, no
    model, or a worker failed. 130: interrupted; the Parquet files written so far are complete.
    """
    be_quiet(quiet=quiet)
    check_writable(out / "part")
    _, policy_text = given_settings.read_given_policy(policy, threshold)
    OutputOptions(dicom_sr=dicom_sr).check([archive])
    if engine == "local" and workers not in (None, 1):
        msg = f"The engine 'local' is one process. For {workers} of them add --engine torchrun or --engine ray."
        raise StriqError(msg)
    with ending_at_once():
        importlib.import_module("striq.audit.parquet")  # fails at once if pyarrow is missing
        from striq.audit.engines import torchrun
        from striq.audit.engines.ray_data import import_ray

        if engine == "ray":
            import_ray()
    job = AuditJob(
        archive,
        out,
        model,
        check_device(device, threads),
        GivenSettings(plane, threshold, max_frames_per_cine or 0, hash_operators, shard_size, precision, policy_text),
        since=None if since is None else since.date(),
        dicom_sr=dicom_sr,
        keep_plan=keep_plan,
        retry_crashed=retry_crashed,
        as_json=as_json,
        threads=threads,
    )
    if engine == "torchrun" and torchrun.under_torchrun():
        raise typer.Exit(_run_rank(job))
    raise typer.Exit(_run(job, engine, workers))


@ending_on_signals()
def _run(job: AuditJob, engine: str, workers: int | None) -> int:
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
        inform(f"interrupted: finished shards are in {job.out}; run the same command to resume")
        return INTERRUPTED
    return job.finish(plan, progress_bar())


def _run_local(job: AuditJob, plan: Plan, pending: list[int], progress: Progress) -> None:
    from striq.audit.worker import AuditWorker

    task = progress.add_task("Files", total=sum(len(plan.shards[number]) for number in pending))
    worker = AuditWorker(job.out, job.model, job.device)
    for number in pending:
        worker.run(number, lambda: progress.advance(task))


def _run_workers(job: AuditJob, engine: str, pending: list[int], workers: int | None, progress: Progress) -> None:
    from striq.audit.engines.processes import default_workers
    from striq.audit.engines.ray_data import run_ray
    from striq.audit.engines.torchrun import launch
    from striq.audit.layout import shard_path

    task, count = progress.add_task("Shards", total=len(pending)), workers or default_workers()
    if engine == "ray":
        advance = partial(progress.advance, task)
        run_ray(job.out, job.model, job.device, pending, workers=count, threads=job.threads, advance=advance)
        return

    def watch() -> None:
        progress.update(task, completed=sum(shard_path(job.out, number).is_file() for number in pending))

    launch(job.out, job.model, job.device, workers=count, threads=job.threads, watch=watch)


@ending_on_signals()
def _run_rank(job: AuditJob) -> int:
    """Score shards in one of the processes that ``torchrun`` started; the first one plans and writes the summary."""
    from striq.audit.engines import torchrun
    from striq.audit.worker import existing_plan

    store, rank = torchrun.join()
    torchrun.wait_for_plan(store, rank, lambda: job.plan(progress_bar()))
    torchrun.run_rank(store, job.out, job.model, job.device)
    if rank == 0:
        plan = existing_plan(job.out)
        torchrun.wait_until_done(job.out, plan)
        job.finish(plan, progress_bar())
    return 0  # torchrun takes any other status as a failure of the process
