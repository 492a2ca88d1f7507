"""``striq evaluate`` and ``striq compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands import options
from striq.commands.terminal import check_device, check_writable, say, show_log


def evaluate(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    model: Annotated[Path | None, typer.Option(help="Evaluate this model as it is, without any training.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation, by group.")] = 5,
    note: Annotated[str, typer.Option(help="Sentence printed beside every figure.")] = "",
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also test the score under nuisance and loss of structure (slow).")
    ] = False,
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    anchors_strategy: options.StrategyOption = None,
    num_anchors: options.NumAnchorsOption = None,
    mode: options.ModeOption = "affine",
    backbone: options.BackboneOption = None,
    download_imagenet: options.ImagenetOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the folds already trained in --out.")] = False,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
) -> None:
    """Compare scores with human ratings, beside controls: cross-validated, or with --model as it is."""
    check_writable(out / "evaluation.json")
    show_log()
    from striq.data.phantom import drawable_planes
    from striq.evaluation.agreement import protocol
    from striq.evaluation.agreement.tables import to_markdown
    from striq.scoring.scorer import load_scorer

    scorer = None if model is None else load_scorer(model, check_device(device))
    if scorer is not None and dataset is None and not planes:
        planes = list(drawable_planes(scorer.planes))
    records, known = options.read_records(
        dataset,
        out,
        planes=planes,
        layout=layout,
        group_pattern=group_pattern,
        rating_table=rating_table,
        seed=seed if scorer is None else seed + 1,  # a phantom that the model was not trained on
    )
    note = " ".join(part for part in (note, known) if part)
    if scorer is not None:
        table = protocol.evaluate_scorer(scorer, records, out, note=note, robustness=robustness)
    else:
        table = protocol.cross_validate(
            records,
            out,
            num_folds=folds,
            config=options.make_config(mode, anchors_strategy, num_anchors),
            training=options.make_training(epochs, seed),
            backbone=options.find_backbone(backbone, download=download_imagenet, folder=out),
            device=check_device(device),
            note=note,
            robustness=robustness,
            resume=resume,
        )
    say(to_markdown(table))


def compare(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="The scores.csv of 'striq evaluate'.")],
    out: options.OutOption,
    only: Annotated[str | None, typer.Option(help="Regular expression found in the file names to keep.")] = None,
    note: Annotated[str, typer.Option(help="Sentence printed beside every figure.")] = "",
    seed: options.SeedOption = 0,
) -> None:
    """Compare the scores of an evaluation with the ratings once more, for some of its frames."""
    check_writable(out / "evaluation.json")
    from striq.evaluation.agreement.rated_scores import compare as compare_scores
    from striq.evaluation.agreement.rated_scores import read_scores
    from striq.evaluation.agreement.tables import to_markdown

    frames, scored = read_scores(scores, only)
    say(to_markdown(compare_scores(frames, scored, out, note=note, seed=seed)))
