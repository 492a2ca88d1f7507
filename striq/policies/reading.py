"""Policies as TOML files, and the examples that come with STRIQ."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from striq.errors import StriqError
from striq.plane_names import RULE, is_plane_name
from striq.policies.policy import Examination, Policy, Site
from striq.toml_files import parse_toml, read_toml_text

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"


def read_policy(path: Path) -> Policy:
    """Return the policy in a TOML file.

    Raises:
        StriqError: If the file cannot be read or is no policy.
    """
    return parse_policy(read_toml_text(path), path)


@lru_cache(maxsize=16)
def parse_policy(text: str, where: str | Path = "policy") -> Policy:
    """Return the policy in a TOML text.

    Args:
        text: TOML.
        where: File that messages name.

    Raises:
        StriqError: If the text is no policy.
    """
    tables = parse_toml(text, json.loads((HERE / "schema.json").read_text(encoding="utf-8")), where)
    policy = Policy(
        name=tables["name"],
        version=tables["version"],
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        is_example=tables.get("example", False),
        threshold=tables.get("threshold"),
        thresholds=tables.get("thresholds", {}),
        sites=tuple(_site(label, table) for label, table in tables.get("sites", {}).items()),
        examinations=tuple(_examination(name, table) for name, table in tables.get("examinations", {}).items()),
    )
    _check(policy, where)
    return policy


def _site(label: str, table: dict[str, Any]) -> Site:
    names, hashes = tuple(table.get("names", ())), tuple(table.get("sha256", ()))
    return Site(label, names, hashes, table.get("threshold"), table.get("thresholds", {}))


def _examination(name: str, table: dict[str, Any]) -> Examination:
    return Examination(name, tuple(table.get("match", ())), tuple(table["required"]))


def _check(policy: Policy, where: str | Path) -> None:
    """Check what a schema cannot say.

    Raises:
        StriqError: If a plane has a name that no plane may have, a site has no name, a name belongs to two sites, or
            two examination types lack patterns.
    """
    for plane in policy.unknown_planes(()):
        if not is_plane_name(plane):
            msg = f"{where}: {plane!r} cannot be the name of a plane. Expected {RULE}."
            raise StriqError(msg)
    seen: dict[str, str] = {}
    for site in policy.sites:
        if not (site.names or site.sha256):
            msg = f"{where}: the site {site.label!r} has neither 'names' nor 'sha256' to be known by. Add one of them."
            raise StriqError(msg)
        for name in (*site.names, *site.sha256):
            if seen.setdefault(name, site.label) != site.label:
                msg = f"{where}: {name!r} is a name of both sites {seen[name]!r} and {site.label!r}. Remove one."
                raise StriqError(msg)
    general = [examination.name for examination in policy.examinations if not examination.match]
    if len(general) > 1:
        msg = f"{where}: only one examination type may lack 'match', got {', '.join(general)}. Add it to the others."
        raise StriqError(msg)


def example_names() -> list[str]:
    """Return the names of the examples."""
    return sorted(path.stem for path in EXAMPLES.glob("*.toml"))


def example_text(name: str) -> str:
    """Return an example as TOML.

    Raises:
        StriqError: If there is none of this name.
    """
    if name not in example_names():
        msg = f"There is no example {name!r}. Choose among: {', '.join(example_names())}."
        raise StriqError(msg)
    return read_toml_text(EXAMPLES / f"{name}.toml")
