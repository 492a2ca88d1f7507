"""``striq dashboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands.given_settings import read_given_policy
from striq.commands.options import QuietOption
from striq.commands.terminal import be_quiet, check_writable, say
from striq.signals import ending_on_signals


def dashboard(
    folder: Annotated[
        Path,
        typer.Argument(metavar="AUDIT", help="Folder that 'striq audit' wrote, or 'audit' in that of 'striq serve'."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML page to write; it opens offline.")],
    show_operators: Annotated[
        bool, typer.Option("--show-operators", help="Show names of operators; without it, they have pseudonyms.")
    ] = False,
    pictures: Annotated[
        bool | None,
        typer.Option(
            "--pictures/--no-pictures",
            help="Show the worst frame of the worst studies.",
            show_default="pictures, unless the audit has pseudonyms",
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy whose required planes are looked for.", show_default="the audit's")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write the history of an audit as one page: accepted share by week, plane, site, scanner model and operator.

    The page has intervals, control limits, change points, the worst studies, and filters that recompute the figures. An
    audit that is not finished can be shown, too.
    """
    be_quiet(quiet=quiet)
    check_writable(out)
    _write(folder, out, read_given_policy(policy, None)[1], show_operators=show_operators, pictures=pictures)


@ending_on_signals()
def _write(folder: Path, out: Path, policy: str, *, show_operators: bool, pictures: bool | None) -> None:
    from striq.audit.plan import read_plan
    from striq.dashboard.history import read_history
    from striq.dashboard.page import write_dashboard

    history = read_history(folder, read_plan(folder), policy=policy, show_operators=show_operators)
    write_dashboard(out, history, pictures=pictures)
    say(f"{sum(history.cells['count'])} frames of {len(history.names['study'])} studies: {out}")
