"""A policy as a value: which threshold applies to a frame, and which planes an examination must show."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from striq.types import FrameScore
from striq.verdict import is_accepted

POLICY_COLUMNS = ("policy_name", "policy_version", "policy_sha256", "policy_site")


@dataclass(frozen=True)
class Site:
    """A site with thresholds of its own.

    Attributes:
        label: Name of the site in reports.
        names: InstitutionName, StationName or AE titles of the site.
        sha256: SHA-256 of such names, where the policy shall not hold the names.
        threshold: Quality that an accepted frame of this site exceeds; ``None``: as elsewhere.
        thresholds: The same by plane.
    """

    label: str
    names: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Return whether a name is one of the site's."""
        return name in self.names or hashlib.sha256(name.encode()).hexdigest() in self.sha256


@dataclass(frozen=True)
class Examination:
    """An examination type.

    Attributes:
        name: Its name in reports.
        match: Patterns of the description of a study, such as ``*first trimester*``; none: every description.
        required: Planes of which a complete study has an accepted frame each.
    """

    name: str
    match: tuple[str, ...]
    required: tuple[str, ...]

    def matches(self, description: str) -> bool:
        """Return whether studies of this description are of this type; upper and lower case are alike."""
        return any(fnmatchcase(description.casefold(), pattern.casefold()) for pattern in self.match)


@dataclass(frozen=True)
class Policy:
    """Thresholds and required planes of a department.

    Attributes:
        name: Name in reports.
        version: Version in reports.
        sha256: SHA-256 of the file.
        is_example: Whether the file is an example that no department has adopted.
        threshold: Quality that an accepted frame exceeds; ``None``: the threshold given elsewhere.
        thresholds: The same by plane.
        sites: Sites with thresholds of their own.
        examinations: Examination types; the first that matches counts.
    """

    name: str
    version: str
    sha256: str
    is_example: bool = False
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
    examinations: tuple[Examination, ...] = ()

    def __str__(self) -> str:
        """Return name and version, and that an example is one."""
        return f"{self.name} {self.version}{' (example)' if self.is_example else ''}"

    def site_of(self, *names: str) -> Site | None:
        """Return the first site that has one of these names."""
        return next((site for site in self.sites if any(site.has(name) for name in names if name)), None)

    def threshold_of(self, plane: str, *names: str, otherwise: float) -> float:
        """Return the threshold that applies to a frame.

        The first that is given counts: of the site and plane, of the site, of the plane, of the policy.

        Args:
            plane: Plane whose anchors scored the frame.
            *names: Names of its site: InstitutionName, StationName, AE title; unknown ones may be empty.
            otherwise: Threshold where the policy states none.
        """
        site = self.site_of(*names)
        given = [self.thresholds.get(plane), self.threshold]
        if site is not None:
            given = [site.thresholds.get(plane), site.threshold, *given]
        return next((threshold for threshold in given if threshold is not None), otherwise)

    def judge(self, score: FrameScore, *names: str, otherwise: float) -> FrameScore:
        """Return a score with the threshold and the verdict by this policy; arguments as in :meth:`threshold_of`."""
        threshold = self.threshold_of(score.scored_plane, *names, otherwise=otherwise)
        accepted = is_accepted(score.quality, score.plane, threshold)
        return replace(score, threshold=threshold, accepted=accepted)

    def record(self, *names: str) -> dict[str, str]:
        """Return what a row says of the policy that judges it; arguments as in :meth:`site_of`."""
        site = self.site_of(*names)
        values = (self.name, self.version, self.sha256, "" if site is None else site.label)
        return dict(zip(POLICY_COLUMNS, values, strict=True))

    def examination_of(self, description: str) -> Examination | None:
        """Return the type of an examination by its description; the type without patterns where no other matches."""
        others = (examination for examination in self.examinations if not examination.match)
        matching = (examination for examination in self.examinations if examination.matches(description))
        return next(matching, next(others, None))

    def unknown_planes(self, planes: tuple[str, ...]) -> list[str]:
        """Return the planes that the policy names and that are not among those of a model, in order."""
        named = [*self.thresholds, *(plane for site in self.sites for plane in site.thresholds)]
        named += [plane for examination in self.examinations for plane in examination.required]
        return [plane for plane in dict.fromkeys(named) if plane not in planes]
