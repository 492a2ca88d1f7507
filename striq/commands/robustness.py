"""``striq study robustness``."""

from __future__ import annotations

from striq.commands import given_frames, options
from striq.commands.terminal import check_device, check_writable, say_report, show_log
from striq.errors import DatasetError


def robustness(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    model: options.ModelOption = None,
    note: options.NoteOption = "",
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    seed: options.SeedOption = 1,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Test whether a model's score stays the same under nuisance and falls with lost structure; needs no ratings."""
    check_writable(out / "robustness.json")
    show_log(quiet=quiet)
    from striq.data.phantom import planes_to_draw
    from striq.evaluation.studies.robustness import score_changed
    from striq.evaluation.studies.robustness_report import robustness_report
    from striq.scoring.loading import load_scorer

    scorer = load_scorer(model, check_device(device, threads))
    wanted = planes or (planes_to_draw(scorer.planes) if dataset is None else None)
    records, known = given_frames.read_records(
        dataset,
        out,
        planes=wanted,
        layout=layout,
        group_pattern=group_pattern,
        rating_table=rating_table,
        seed=seed,
    )
    unknown = sorted({record.plane for record in records} - set(scorer.planes))
    if unknown:
        msg = (
            f"The model does not know the plane {unknown[0]!r} of the data set; it knows: {', '.join(scorer.planes)}. "
            "Name the planes to test: --planes NAME, once for each."
        )
        raise DatasetError(msg)
    say_report(robustness_report(score_changed(scorer, records), note=given_frames.join_notes(note, known)), out)
