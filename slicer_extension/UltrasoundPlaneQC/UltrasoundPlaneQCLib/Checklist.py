"""The planes that an examination must have, and the best accepted frame of each in a study."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .FrameSource import SourceError
from .Judgement import ACCEPTED
from .PolicyThresholds import SitedPolicy
from .Results import Results
from .Study import Study

CHECKLIST = "STRIQ.checklist"  # attribute of the study's node
PRESENT, NOT_ACCEPTED, MISSING, NOT_ASSESSED = "present", "not accepted", "missing", "not assessed"


@dataclass(frozen=True)
class Checklist:
    """An examination type of a policy file.

    Attributes:
        name: Name of the policy and of the examination.
        required: Planes of which a complete study has an accepted frame each.
        policy: The policy file, TOML, whose thresholds judge the frames; empty for none.
    """

    name: str
    required: tuple[str, ...]
    policy: str = ""


@dataclass(frozen=True)
class StudyFrame:
    """One scored frame of a study, as :mod:`striq.policies.completeness` takes it.

    Attributes:
        plane: Predicted plane.
        quality: Q.
        accepted: The verdict, the user's own included.
        key: Key of its cine.
        frame: Its number in the cine.
    """

    plane: str
    quality: float
    accepted: bool
    key: str
    frame: int


@dataclass(frozen=True)
class RequiredPlane:
    """What a study has of a required plane.

    Attributes:
        plane: Its name.
        state: ``"present"``, ``"not accepted"``, ``"missing"``, or ``"not assessed"`` if no model knows the plane.
        best: The best accepted frame, or else the best one of the plane; ``None`` if there is none.
    """

    plane: str
    state: str
    best: StudyFrame | None = None


def readChecklists(path: str | Path) -> list[Checklist]:
    """Return the examination types of a policy file.

    Raises:
        ImportError: If striq is not installed.
        ValueError: If the file cannot be read or is no policy.
    """
    from striq.errors import StriqError
    from striq.policies.reading import parse_policy
    from striq.toml_files import read_toml_text

    try:
        text = read_toml_text(Path(path))
        policy = parse_policy(text, Path(path))
    except StriqError as error:
        raise ValueError(str(error)) from error
    return [Checklist(f"{policy}: {one.name}", one.required, text) for one in policy.examinations]


def exampleChecklists() -> list[Checklist]:
    """Return the examination types of the example policies of striq, without their placeholder thresholds.

    None before striq is installed.
    """
    try:
        from striq.policies.reading import EXAMPLES
    except ImportError:
        return []
    found = [checklist for path in sorted(EXAMPLES.glob("*.toml")) for checklist in readChecklists(path)]
    return [replace(checklist, policy="") for checklist in found]


def checklistOf(study: Study) -> Checklist | None:
    """Return the checklist that was chosen for a study; ``None`` if none was."""
    text = study.node.GetAttribute(CHECKLIST)
    if not text:
        return None
    stored = json.loads(text)
    return Checklist(stored["name"], tuple(stored["required"]), stored.get("policy", ""))


def keepChecklist(study: Study, checklist: Checklist | None) -> None:
    """Keep the checklist of a study with the scene; ``None`` removes it."""
    stored = None if checklist is None else json.dumps(asdict(checklist))
    study.node.SetAttribute(CHECKLIST, stored)


def judgeByPolicy(study: Study, scores: Mapping[str, Results]) -> list[Results]:
    """Judge the cines of a study by the policy of its checklist; return those that were judged otherwise before.

    Args:
        study: The study.
        scores: Its scores by the key of the cine.

    Raises:
        ImportError: If striq is not installed.
    """
    checklist = checklistOf(study)
    text = "" if checklist is None else checklist.policy
    judged: list[Results] = []
    for key, results in scores.items():
        before = results.policy
        if text != ("" if before is None else before.text):
            results.applyPolicy(SitedPolicy.of(text, fileOf(study, key)) if text else None, announce=False)
            judged.append(results)
    return judged


def fileOf(study: Study, key: str) -> str:
    """Return the file that a cine was read from; empty if that is not known."""
    try:
        return study[key].path or study.source(key).dicomFile or ""
    except SourceError:
        return ""


def checkStudy(study: Study, checklist: Checklist) -> list[RequiredPlane]:
    """Return what a study has of each required plane.

    Raises:
        ImportError: If striq is not installed.
    """
    from striq.policies.completeness import check_completeness
    from striq.policies.policy import Examination

    scores = study.allResults()
    frames = [frame for key, results in scores.items() for frame in _framesOf(key, results)]
    known = {plane for results in scores.values() for plane in results.facts().get("planes", [])}
    known |= {frame.plane for frame in frames}
    examination = Examination(checklist.name, (), checklist.required)
    found = check_completeness(examination, frames, known or set(checklist.required))
    return [
        RequiredPlane(view.plane, view.state.value, view.best if isinstance(view.best, StudyFrame) else None)
        for view in found.views
    ]


def _framesOf(key: str, results: Results) -> Iterator[StudyFrame]:
    """Yield the best frame of each plane and verdict in a cine; no other can be the best of the study."""
    best: dict[tuple[str, bool], tuple[float, int]] = {}
    columns = (results.column(name) for name in ("plane", "quality", "verdict"))
    for frame, (plane, quality, verdict) in enumerate(zip(*columns, strict=True)):
        if not math.isnan(quality):
            kind = (plane, verdict == ACCEPTED)
            if kind not in best or quality > best[kind][0]:
                best[kind] = (quality, frame)
    for (plane, isAccepted), (quality, frame) in best.items():
        yield StudyFrame(plane, quality, isAccepted, key, frame)


def exportChecklist(study: Study, checklist: Checklist, path: str | Path) -> Path:
    """Write one row per required plane as CSV, atomically, and return the path.

    Raises:
        OSError: If it cannot be written.
    """
    from striq.atomic_files import write_csv

    rows: list[list[object]] = []
    for found in checkStudy(study, checklist):
        best = found.best
        if best is None:
            rows.append([checklist.name, found.plane, found.state, "", "", "", ""])
        else:
            cine = study[best.key]
            rows.append(
                [checklist.name, found.plane, found.state, cine.name, cine.path, best.frame, f"{best.quality:.9g}"]
            )
    return write_csv(path, ("checklist", "plane", "state", "cine", "file", "frame", "quality"), rows)
