"""``striq evaluate`` and ``striq study compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands import given_frames, given_settings, options
from striq.commands.anchor_counts import say_fewer_anchors
from striq.commands.terminal import check_device, check_writable, say_json, say_report, show_log
from striq.errors import StriqError
from striq.types import FrameRecord

if TYPE_CHECKING:
    from striq.evaluation.studies.robustness import ChangedScores
    from striq.scoring.scorer import StriqScorer


def evaluate(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    model: Annotated[Path | None, typer.Option(help="Evaluate this model as it is, without any training.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation, by group.")] = 5,
    note: options.NoteOption = "",
    baselines: Annotated[
        list[str] | None,
        typer.Option("--with", help="Baseline to fit on each fold as well, 'all' for every one; repeat for several."),
    ] = None,
    boxes: options.BoxesOption = None,
    clip: options.ClipOption = None,
    supervised: Annotated[
        bool,
        typer.Option("--supervised", help="Also learn the ratings of each fold's training frames, for comparison."),
    ] = False,
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
    appearance_matching: options.AppearanceOption = None,
    mode: options.ModeOption = "affine",
    backbone: options.BackboneOption = None,
    download_imagenet: options.ImagenetOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the folds already trained in --out.")] = False,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Compare scores and controls with human ratings: cross-validated, or with --model as it is."""
    check_writable(out / "evaluation.json")
    fitted = "--with" if baselines else "--supervised" if supervised else ""
    if model is not None and fitted:
        msg = f"{fitted} fits on the training frames of folds, which --model has none of. Leave one of them out."
        raise StriqError(msg)
    show_log(quiet=quiet)
    from striq.data.phantom import planes_to_draw
    from striq.evaluation.agreement import protocol
    from striq.evaluation.agreement.report import agreement_report
    from striq.evaluation.agreement.training_setup import TrainingSetup
    from striq.scoring.loading import load_scorer

    scorer = None if model is None else load_scorer(model, check_device(device, threads))
    if scorer is not None and dataset is None and not planes:
        planes = list(planes_to_draw(scorer.planes))
    records, known = given_frames.read_records(
        dataset,
        out,
        planes=planes,
        layout=layout,
        group_pattern=group_pattern,
        rating_table=rating_table,
        seed=seed if scorer is None else seed + 1,  # a phantom that the model was not trained on
    )
    note = given_frames.join_notes(note, known)
    observer = _RobustnessObserver(1 if scorer is not None else folds) if robustness else None
    if scorer is not None:
        table = protocol.evaluate_scorer(scorer, records, out, note=note)
        if observer is not None:
            observer(scorer, [record for record in records if record.rating is not None])
    else:
        setup = TrainingSetup(
            config=given_settings.make_config(mode, anchors_strategy, num_anchors, appearance_matching),
            training=given_settings.make_training(epochs, seed),
            backbone=given_settings.find_backbone(backbone, download=download_imagenet, folder=out),
            device=check_device(device, threads),
        )
        say_fewer_anchors(records, setup.config, num_anchors)
        table = protocol.cross_validate(
            records,
            out,
            setup,
            num_folds=folds,
            resume=resume,
            note=note,
            baselines=baselines or (),
            extras=given_frames.baseline_extras(boxes, clip, out, dataset, planes, seed),
            supervised=supervised,
            observe_fold=observer,
        )
    if observer is not None:
        observer.write(out, note)
    report = agreement_report(table)
    if as_json:
        say_json(report.to_json())
    else:
        say_report(report)


class _RobustnessObserver:
    """Tests the robustness of the scorer of each fold on the frames of that fold.

    Args:
        num_folds: Number of folds, over which the frames that lose structure are spread.
    """

    def __init__(self, num_folds: int) -> None:
        self.num_folds = num_folds
        self.found: list[ChangedScores] = []

    def __call__(self, scorer: StriqScorer, records: Sequence[FrameRecord]) -> None:
        from striq.evaluation.studies.robustness import STRUCTURE_FRAMES, score_changed

        frames = max(1, STRUCTURE_FRAMES // self.num_folds)
        self.found.append(score_changed(scorer, records, structure_frames=frames))

    def write(self, folder: Path, note: str) -> None:
        """Write the report on all folds."""
        from striq.evaluation.studies.robustness import concatenate_changed
        from striq.evaluation.studies.robustness_report import robustness_report

        robustness_report(concatenate_changed(self.found), note=note).write(folder)


def compare(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="The rated_scores.csv of 'striq evaluate'.")],
    out: options.OutOption,
    only: Annotated[str | None, typer.Option(help="Regular expression found in the file names to keep.")] = None,
    note: options.NoteOption = "",
    seed: options.SeedOption = 0,
) -> None:
    """Compare the scores of an evaluation with the ratings again, for some of its frames."""
    check_writable(out / "evaluation.json")
    from striq.evaluation.agreement.rated_scores import read_rated_scores
    from striq.evaluation.agreement.report import agreement_report, compare_with_ratings

    frames, scored = read_rated_scores(scores, only)
    say_report(agreement_report(compare_with_ratings(frames, scored, out, note=note, seed=seed)))
