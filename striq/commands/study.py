"""``striq study``: commands that test the method rather than frames, and where they were before."""

from __future__ import annotations

from collections.abc import Callable

import typer

from striq.commands.ablation import ablate
from striq.commands.benchmark import bench
from striq.commands.evaluation import compare
from striq.commands.forgetting import forgetting
from striq.commands.plane_recognition import planes
from striq.commands.quality_benchmark import benchmark
from striq.commands.robustness import robustness
from striq.errors import StriqError

MOVED = {  # former commands and what they are called below ``striq study``
    "ablate": "ablate",
    "robustness": "robustness",
    "forgetting": "forgetting",
    "routing": "planes",
    "bench": "bench",
    "compare": "compare",
}
ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

HELP = "Test the method: quality on several planes, ablation, robustness, forgetting, plane recognition, speed."

study = typer.Typer(help=HELP, no_args_is_help=True)
for command in (benchmark, ablate, robustness, forgetting, planes, bench, compare):
    study.command()(command)


def add_moved_commands(app: typer.Typer) -> None:
    """Add hidden commands under the former names, which only say where the command is now."""
    for old, new in MOVED.items():
        app.command(old, hidden=True, context_settings=ANY_ARGUMENTS)(_moved(old, new))


def _moved(old: str, new: str) -> Callable[[], None]:
    def refuse() -> None:
        msg = f"'striq {old}' is now 'striq study {new}'. See 'striq study {new} --help'."
        raise StriqError(msg)

    return refuse
