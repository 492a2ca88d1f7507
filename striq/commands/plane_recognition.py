"""``striq study planes``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands import given_frames, options
from striq.commands.terminal import check_device, check_writable, complain, say_report, show_log
from striq.errors import StriqError

if TYPE_CHECKING:
    from torch import Tensor

HIDDEN = ("intensities", "outline")


def _check_hidden(values: list[str] | None) -> list[str]:
    check = options.one_of(HIDDEN)
    return [check(value) for value in values or ()]


def planes(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    unknown: Annotated[
        list[Path] | None, typer.Option(help="Frames that show none of the planes; repeat for several.")
    ] = None,
    model: options.ModelOption = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Fit the planes again on all groups but a fold's, and without each plane.")
    ] = None,
    hide: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_hidden,
            help="With --folds: hide 'intensities' or 'outline' of the fan, which differ by scanner; repeat for both.",
        ),
    ] = None,
    note: options.NoteOption = "",
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    seed: options.SeedOption = 1,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Test whether a model tells its planes apart and predicts "none" for frames of other things."""
    check_writable(out / "plane_recognition.json")
    show_log(quiet=quiet)
    from striq.data.loading import iterate_images
    from striq.data.phantom import planes_to_draw
    from striq.evaluation.studies.plane_recognition import measure_recognition, plane_posteriors
    from striq.evaluation.studies.plane_recognition_folds import cross_validate_recognition, describe_frames
    from striq.evaluation.studies.plane_recognition_report import recognition_report
    from striq.scoring.loading import load_scorer

    if hide and folds is None:
        msg = "--hide needs --folds, because the model's own planes were fitted on whole frames."
        raise StriqError(msg)
    scorer = load_scorer(model, check_device(device, threads))
    known_planes = planes_to_draw(scorer.planes) if dataset is None else scorer.planes
    wanted = planes or (known_planes if folds is None else None)
    records, known = given_frames.read_records(
        dataset, out, planes=wanted, layout=layout, group_pattern=group_pattern, seed=seed
    )
    size = scorer.config.encoder.size
    if folds is None:
        others = {path.name: plane_posteriors(scorer, _frames(path, size)) for path in unknown or ()}
        found = plane_posteriors(scorer, iterate_images(records, size))
        result = measure_recognition(scorer.planes, found, [record.plane for record in records], others)
    else:
        described = {path.name: describe_frames(scorer, _frames(path, size), hide or ()) for path in unknown or ()}
        found = describe_frames(scorer, iterate_images(records, size), hide or ())
        channels = scorer.config.encoder.channels
        result = cross_validate_recognition(records, found, described, channels, folds=folds, seed=seed)
    say_report(recognition_report(result, note=given_frames.join_notes(note, known)), out)


def _frames(path: Path, size: tuple[int, int]) -> Iterator[Tensor]:
    """Yield the prepared frames of all files at a path; files that cannot be read are reported and left out."""
    from striq.data.preprocessing import prepare_frame
    from striq.data.readers import find_sources, open_cine

    for source in find_sources([path]):
        try:
            for frame in open_cine(source):
                yield prepare_frame(frame, size)
        except StriqError as error:
            complain(f"left out: {error}")
