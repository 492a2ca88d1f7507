"""The new model of ``striq anchors`` with ``--exclude``, ``--use`` or ``--negatives``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from torch import Tensor

from striq.anchors.exclusion import Exclusions, read_exclusions
from striq.anchors.provenance import NEGATIVE
from striq.anchors.thumbnails import copy_kept_thumbnails, write_thumbnails
from striq.commands.given_frames import FramesOptions, read_records
from striq.commands.terminal import check_writable, say
from striq.errors import StriqError
from striq.reporting.identity import sha256_of
from striq.scoring.scorer import StriqScorer
from striq.training.anchor_refit import AnchorChange, ChangedPlane, change_anchors
from striq.training.negative_anchors import leave_out_negatives, read_negatives, set_negatives
from striq.types import AnchorSource, FrameRecord

INFO_KEY = "anchor_changes"  # list in a model's ``info``, the latest change last
KEPT_RANGES = "left as they were, not refit"


@dataclass(frozen=True)
class ChangeLists:
    """Files that list the changes to a model's anchors.

    Attributes:
        exclude: Anchors and negative anchors to leave out.
        use: Frames that become the anchors of their planes.
        negatives: Frames that become the negative anchors of planes they are easily taken for.
    """

    exclude: Path | None = None
    use: Path | None = None
    negatives: Path | None = None


def write_changed(
    scorer: StriqScorer,
    model: Path,
    out: Path,
    lists: ChangeLists,
    frames: FramesOptions,
    *,
    anchor_images: bool,
) -> None:
    """Write a model with other anchors, and say what has changed.

    Args:
        scorer: The model, which is changed.
        model: Its file.
        out: File of the new model, or its folder.
        lists: What to change.
        frames: Unlabeled frames of the planes that change.
        anchor_images: Whether to write thumbnails.

    Raises:
        StriqError: If the new model would lie beside the old one, or a list does not fit the model.
    """
    target = _target(out, model)
    before = {plane: list(of) for plane, of in zip(scorer.planes, scorer.bank.sources, strict=True)}
    negatives_before = {plane: list(of) for plane, of in zip(scorer.planes, scorer.negatives.sources, strict=True)}
    excluded = Exclusions({}, {})
    if lists.exclude is not None:
        excluded = read_exclusions(lists.exclude, before, negatives_before)
    used, negatives = _by_plane(lists.use), read_negatives(lists.negatives)
    negatives.check_planes(scorer.planes)
    _check_apart(excluded.anchors, used, "--use", "anchors")
    _check_apart(excluded.negatives, negatives.planes, "--negatives", "negative anchors")
    changes = {plane: AnchorChange(keep=_rest(before[plane], numbers)) for plane, numbers in excluded.anchors.items()}
    changes |= {plane: AnchorChange(use=records) for plane, records in used.items()}
    changed = change_anchors(scorer, changes, frames.read(list(changes)) if changes else [])
    for plane, numbers in excluded.negatives.items():
        leave_out_negatives(scorer, plane, numbers)
    new_negatives = {plane: set_negatives(scorer, plane, negatives) for plane in negatives.planes}
    notes = [_note(plane, before[plane], excluded.anchors.get(plane, []), changed[plane], scorer) for plane in changes]
    origin = {"when": datetime.now(timezone.utc).isoformat(timespec="seconds"), "from_model_sha256": sha256_of(model)}
    removed: list[dict[str, Any]] = [
        {"plane": plane, "excluded_negatives": _stored(negatives_before[plane], numbers)}
        for plane, numbers in excluded.negatives.items()
    ]
    added = [_note_negatives(plane, scorer) for plane in negatives.planes]
    scorer.info[INFO_KEY] = [
        *scorer.info.get(INFO_KEY, []),
        *({**origin, **note} for note in [*notes, *removed, *added]),
    ]
    scorer.save(target)
    if anchor_images:
        _write_thumbnails(scorer, model, target.parent, changes, changed)
        _write_negative_thumbnails(model, target.parent, negatives_before, excluded.negatives, new_negatives)
    for note in notes:
        say(_sentence(note, len(before[note["plane"]])))
    for note in removed:
        plane, count = note["plane"], len(note["excluded_negatives"])
        stay = len(negatives_before[plane]) - count
        say(f"{plane}: {count} negative anchors left out, {stay} stay; ranges and weights {KEPT_RANGES}.")
    for note in added:
        say(f"{note['plane']}: {len(note['negatives'])} negative anchors; ranges and weights {KEPT_RANGES}.")
    say(f"New model: {target}")


def _check_apart(excluded: Iterable[str], replaced: Iterable[str], option: str, what: str) -> None:
    """Check that no plane has some of its anchors left out and all of them replaced."""
    both = sorted(set(excluded) & set(replaced))
    if both:
        msg = f"Plane {both[0]!r} is in --exclude and in {option}, which replaces all of its {what}. Name it in one."
        raise StriqError(msg)


def _target(out: Path, model: Path) -> Path:
    """Return the file to write, which is not in the folder of the model: each has thumbnails of its own there."""
    target = out if out.suffix == ".pt" else out / "model.pt"
    if target.resolve().parent == model.resolve().parent:
        msg = f"{target}: lies in the folder of the model that is changed, {model}. Name another folder."
        raise StriqError(msg)
    check_writable(target)
    return target


def _by_plane(table: Path | None) -> dict[str, list[FrameRecord]]:
    if table is None:
        return {}
    records, _ = read_records(table, table.parent, layout="csv")
    return {plane: [r for r in records if r.plane == plane] for plane in sorted({r.plane for r in records})}


def _rest(sources: Sequence[AnchorSource], excluded: Sequence[int]) -> list[int]:
    return [number for number in range(len(sources)) if number not in excluded]


def _note(
    plane: str, before: Sequence[AnchorSource], excluded: Sequence[int], changed: ChangedPlane, scorer: StriqScorer
) -> dict[str, Any]:
    """Return what has changed in a plane, in plain containers."""
    now = scorer.bank.sources[scorer.plane_index(plane)]
    return {
        "plane": plane,
        "excluded": _stored(before, excluded),
        "used": [] if changed.images is None else [asdict(source) for source in now],
        "ranges": f"measured again on {changed.num_frames} frames" if changed.num_frames else KEPT_RANGES,
    }


def _stored(sources: Sequence[AnchorSource], numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return number and provenance of some anchors, in plain containers."""
    return [{"number": number, **asdict(sources[number])} for number in numbers]


def _note_negatives(plane: str, scorer: StriqScorer) -> dict[str, Any]:
    return {"plane": plane, "negatives": scorer.negatives.stored_sources()[scorer.plane_index(plane)]}


def _sentence(note: Mapping[str, Any], num_before: int) -> str:
    if note["used"]:
        what = f"{len(note['used'])} new anchors in place of {num_before}"
    else:
        what = f"{len(note['excluded'])} anchors left out, {num_before - len(note['excluded'])} stay"
    remedy = " Give --frames to measure them for the new anchors." if note["ranges"] == KEPT_RANGES else ""
    return f"{note['plane']}: {what}; ranges and weights {note['ranges']}.{remedy}"


def _write_thumbnails(
    scorer: StriqScorer,
    model: Path,
    folder: Path,
    changes: Mapping[str, AnchorChange],
    changed: Mapping[str, ChangedPlane],
) -> None:
    for plane, sources in zip(scorer.planes, scorer.bank.sources, strict=True):
        images = changed[plane].images if plane in changed else None
        if images is None:
            kept = changes[plane].keep if plane in changes else range(len(sources))
            copy_kept_thumbnails(model, folder, plane, kept)
        else:
            write_thumbnails(folder, {plane: images})


def _write_negative_thumbnails(
    model: Path,
    folder: Path,
    before: Mapping[str, Sequence[AnchorSource]],
    excluded: Mapping[str, Sequence[int]],
    new: Mapping[str, Tensor],
) -> None:
    for plane, sources in before.items():
        if plane not in new:
            copy_kept_thumbnails(model, folder, plane, _rest(sources, excluded.get(plane, [])), NEGATIVE)
    write_thumbnails(folder, new, NEGATIVE)
