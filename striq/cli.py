"""The command line ``striq`` and its subcommands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import striq
from striq.collection import begin_loading
from striq.commands.anchors import anchors
from striq.commands.auditing import audit
from striq.commands.completion import completion, prepare_completion
from striq.commands.curves import curves
from striq.commands.dashboard import dashboard
from striq.commands.evaluation import evaluate
from striq.commands.explaining import explain
from striq.commands.exporting import export
from striq.commands.inspection import info
from striq.commands.listening import listen
from striq.commands.listing import list_frames
from striq.commands.planes import add_plane
from striq.commands.policies import policy
from striq.commands.pretraining import pretrain
from striq.commands.reproduction import reproduce
from striq.commands.sample import sample
from striq.commands.scoring import score
from striq.commands.serving import serve
from striq.commands.study import add_moved_commands, study
from striq.commands.terminal import complain, print_in_any_encoding, say, start_messages
from striq.commands.thresholds import threshold
from striq.commands.training import phantom, train
from striq.errors import StriqError
from striq.processors import start_measuring
from striq.signals import exit_if_ending
from striq.waiting import limit_spinning

WRONG_USE = 2  # exit status; also that of the command-line parser
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class _Program(TyperGroup):
    """The program, which ends after Ctrl+C with the status that shells know; the parser's would be that of failures."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Program,
    help="Annotation-free quality control of ultrasound planes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for command in (
    score,
    explain,
    threshold,
    audit,
    dashboard,
    serve,
    policy,
    listen,
    info,
    anchors,
    train,
    curves,
    evaluate,
    reproduce,
    pretrain,
    phantom,
    sample,
    export,
    completion,
):
    app.command()(command)
app.command(name="list")(list_frames)
app.command(name="add-plane")(add_plane)
app.add_typer(study, name="study")
add_moved_commands(app)


def _print_version(asked: bool) -> None:
    if asked:
        say(f"striq {striq.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Annotation-free quality control of ultrasound planes."""
    del version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and raise ``SystemExit`` with the exit status.

    Args:
        arguments: Arguments after the program's name; those of the process by default.
    """
    limit_spinning()
    if arguments is None:  # the process is this program
        begin_loading()
        print_in_any_encoding()
        start_measuring()
    start_messages()
    prepare_completion()
    try:
        app(args=None if arguments is None else list(arguments), prog_name="striq")
    except (StriqError, OSError) as error:
        complain(f"error: {error}")
        exit_if_ending(WRONG_USE)
        sys.exit(WRONG_USE)
    except SystemExit as ended:
        exit_if_ending(ended.code if isinstance(ended.code, int) else 0)
        raise


if __name__ == "__main__":
    main()
