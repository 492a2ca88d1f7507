"""``striq robustness``."""

from __future__ import annotations

from typing import Annotated

import typer

from striq.commands import options
from striq.commands.terminal import check_device, check_writable, say, show_log
from striq.errors import DatasetError


def robustness(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    model: options.ModelOption = None,
    note: Annotated[str, typer.Option(help="Sentence printed beside every figure.")] = "",
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    seed: options.SeedOption = 1,
    device: options.DeviceOption = "auto",
) -> None:
    """Test a model's score, rated frames or not: still under nuisance, falling as structure is lost?"""
    check_writable(out / "robustness.json")
    show_log()
    from striq.data.phantom import drawable_planes
    from striq.evaluation.studies.robustness import score_changed
    from striq.evaluation.studies.robustness_report import robustness_markdown, write_robustness
    from striq.scoring.loading import load_scorer

    scorer = load_scorer(model, check_device(device))
    wanted = planes or (drawable_planes(scorer.planes) if dataset is None else None)
    records, known = options.read_records(
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
        msg = f"The model does not know the plane {unknown[0]!r}; it knows: {', '.join(scorer.planes)}. Use --planes."
        raise DatasetError(msg)
    note = " ".join(part for part in (note, known) if part)
    changed = score_changed(scorer, records)
    write_robustness(changed, out, note=note)
    say(robustness_markdown(changed, note=note))
