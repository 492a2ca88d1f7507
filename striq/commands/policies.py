"""``striq policy``: check a policy, or print an example of one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands.options import JsonOption
from striq.commands.terminal import say, say_json
from striq.errors import StriqError

if TYPE_CHECKING:
    from striq.policies.policy import Policy


def policy(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="TOML file to check.")] = None,
    example: Annotated[
        str | None, typer.Option(help="Print the example of this name, to be adapted; see --examples.")
    ] = None,
    examples: Annotated[bool, typer.Option("--examples", help="Print the names of the examples.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a policy and show its thresholds, sites and required planes; or print an example.

    Exit status 0: the file is a policy. 2: it is not; the message names the place.
    """
    from striq.policies.reading import example_names, example_text, read_policy

    if sum((file is not None, example is not None, examples)) != 1:
        msg = "Give one of: a FILE to check, --example NAME, --examples."
        raise StriqError(msg)
    if examples:
        say("\n".join(example_names()))
    elif example is not None:
        sys.stdout.write(example_text(example))
    elif file is not None:
        found = read_policy(file)
        if as_json:
            say_json(asdict(found))
        else:
            say(_described(found))


def _described(policy: Policy) -> str:
    lines = [f"{policy}, sha256 {policy.sha256}"]
    if policy.threshold is not None:
        lines.append(f"Threshold: {policy.threshold:g}")
    lines += [f"Threshold of {plane}: {value:g}" for plane, value in policy.thresholds.items()]
    for site in policy.sites:
        own = [] if site.threshold is None else [f"threshold {site.threshold:g}"]
        own += [f"{plane} {value:g}" for plane, value in site.thresholds.items()]
        lines.append(
            f"Site {site.label}, {len(site.names) + len(site.sha256)} names: {', '.join(own) or 'as elsewhere'}"
        )
    for examination in policy.examinations:
        described = ", ".join(examination.match) or "all others"
        lines.append(f"Examination {examination.name} ({described}): {', '.join(examination.required)}")
    return "\n".join(lines)
