"""``striq study forgetting``."""

from __future__ import annotations

from striq.commands import given_frames, given_settings, options
from striq.commands.terminal import check_device, check_writable, say_report, show_log


def forgetting(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    seeds: options.SeedsOption = 3,
    subjects: options.SubjectsOption = 24,
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Train plane by plane, with and without the projection, and measure how later planes change earlier ones."""
    check_writable(out / "forgetting.json")
    show_log(quiet=quiet)
    from striq.evaluation.agreement.training_setup import TrainingSetup
    from striq.evaluation.studies.forgetting import Forgetting, measure_forgetting
    from striq.evaluation.studies.forgetting_report import FREE, PROTECTED, forgetting_report

    chosen = check_device(device, threads)
    results: dict[str, list[Forgetting]] = {PROTECTED: [], FREE: []}
    note = ""
    for seed in range(seeds):
        records, note = given_frames.read_records(
            dataset,
            out,
            planes=planes,
            layout=layout,
            group_pattern=group_pattern,
            rating_table=rating_table,
            seed=seed,
            subjects=subjects,
        )
        setup = TrainingSetup(training=given_settings.make_training(epochs, seed), device=chosen)
        for variant, found in results.items():
            protect = variant == PROTECTED
            folder = out / f"{'protected' if protect else 'free'}_seed{seed}"
            found.append(measure_forgetting(records, folder, setup, protect=protect, order=planes or ()))
    say_report(forgetting_report(results, note=note), out)
