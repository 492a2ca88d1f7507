"""``striq completion``: completion of commands and options by the Tab key of a shell."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from typer.completion import (
    completion_init,  # pyright: ignore[reportPrivateImportUsage]
    get_completion_script,  # pyright: ignore[reportPrivateImportUsage]
)

from striq.commands.options import one_of
from striq.commands.terminal import say

PROGRAM, VARIABLE = "striq", "_STRIQ_COMPLETE"  # by the variable, the script of a shell asks for completions
SHELLS = ("bash", "zsh", "fish")
# zsh reads a file of its functions at the first Tab. Without these lines, that Tab would only read it.
FIRST_TAB = """
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _striq_completion "$@"
fi"""


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", callback=one_of(SHELLS), help=f"{', '.join(SHELLS)}.")],
) -> None:
    """Print the script that makes a shell complete commands and options of striq.

    For bash: striq completion bash > ~/.local/share/bash-completion/completions/striq
    """
    script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell)
    say(script + FIRST_TAB if shell == "zsh" else script)


def prepare_completion() -> None:
    """Let the program answer the script of a shell, if it is the one that asks."""
    if VARIABLE in os.environ:
        completion_init()
