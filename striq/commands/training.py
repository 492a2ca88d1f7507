"""``striq train``, ``striq add-plane``, ``striq evaluate``, ``striq compare`` and ``striq phantom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from striq.commands import options
from striq.commands.terminal import check_device, check_writable, say, show_log


def train(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    anchors_strategy: options.StrategyOption = None,
    num_anchors: options.NumAnchorsOption = None,
    mode: options.ModeOption = "affine",
    protocol: options.ProtocolOption = "joint",
    backbone: options.BackboneOption = None,
    download_imagenet: options.ImagenetOption = False,
    anchor_images: options.AnchorImagesOption = True,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training in --out.")] = False,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    amp: Annotated[bool, typer.Option("--amp", help="Automatic mixed precision, on CUDA.")] = False,
) -> None:
    """Train a scorer without labels and write OUT/model.pt."""
    check_writable(out / "model.pt")
    show_log()
    from striq.training import sequential, trainer

    records, _ = options.read_records(
        dataset,
        out,
        planes=planes,
        layout=layout,
        group_pattern=group_pattern,
        rating_table=rating_table,
        seed=seed,
    )
    settings: dict[str, Any] = {
        "config": options.make_config(mode, anchors_strategy, num_anchors),
        "training": options.make_training(epochs, seed, amp=amp),
        "backbone": options.find_backbone(backbone, download=download_imagenet, folder=out),
        "device": check_device(device),
        "resume": resume,
        "anchor_images": anchor_images,
    }
    if protocol == "sequential":
        sequential.train_sequential(records, out, order=planes or (), **settings)
    else:
        trainer.train_scorer(records, out, **settings)
    say(f"Trained on {len(records)} frames: {out / 'model.pt'}")


def add_plane(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new plane.")],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of its frames or CSV list.")],
    out: options.OutOption,
    model: options.ModelOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    epochs: options.EpochsOption = None,
    anchor_images: options.AnchorImagesOption = True,
    check: Annotated[
        Path | None, typer.Option(help="Frames of other groups, of old planes and new, to compare the models on.")
    ] = None,
    note: Annotated[str, typer.Option(help="Sentence printed beside the figures of --check.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training in --out.")] = False,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
) -> None:
    """Teach a model one plane more, without labels and without the frames of its other planes; write OUT/model.pt."""
    check_writable(out / "model.pt")
    show_log()
    from striq.anchors.thumbnails import copy_thumbnails
    from striq.data.splits import check_disjoint_groups
    from striq.scoring.checkpoint import default_checkpoint
    from striq.scoring.loading import load_scorer
    from striq.training import sequential

    records, _ = options.read_records(dataset, out, planes=[name], layout=layout, group_pattern=group_pattern)
    checked, known = ([], "") if check is None else options.read_records(check, out)
    check_disjoint_groups(records, checked)
    chosen = check_device(device)
    before = load_scorer(model, chosen)
    scorer = sequential.add_plane(
        before,
        records,
        out,
        training=options.make_training(epochs, seed),
        device=chosen,
        resume=resume,
        anchor_images=anchor_images,
    )
    if anchor_images:
        copy_thumbnails(default_checkpoint() if model is None else model, out)
    say(f"Knows {', '.join(scorer.planes)} now: {out / 'model.pt'}")
    if check is not None:
        from striq.evaluation.studies.plane_addition import compare_models, write_comparison

        say(write_comparison(compare_models(before, scorer, checked), out, note=" ".join(filter(None, (note, known)))))


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
    from striq.scoring.loading import load_scorer

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


def phantom(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    subjects: Annotated[int, typer.Option(min=1, help="Subjects.")] = options.PHANTOM_SUBJECTS,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each subject and plane.")] = options.PHANTOM_FRAMES,
    planes: options.PlanesOption = None,
    seed: options.SeedOption = 0,
) -> None:
    """Write a synthetic data set of six planes with known quality and known transforms."""
    from striq.data.phantom import write_phantom

    chosen = options.check_drawable(planes)
    say(f"Phantom written: {write_phantom(folder, subjects, frames, planes=chosen, seed=seed)}")
