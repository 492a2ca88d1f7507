"""Tests that the command lines in the documents use commands and options that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from documents import DOCUMENTS, code_blocks, name_of

from striq.cli import app

COMMAND = re.compile(r"`(striq [^`]+)`")
PROGRAM = typer.main.get_command(app)


def command_lines(text: str) -> list[str]:
    """Return the calls of ``striq`` in code blocks and between backticks, each on one line, without comments."""
    joined = "\n".join(code_blocks(text)).replace("\\\n", " ")
    in_blocks = [line for line in joined.splitlines() if line.startswith("striq ")]
    return [re.split(r"\s+#", line)[0] for line in [*in_blocks, *COMMAND.findall(text.replace("\n", " "))]]


def unknown_words(line: str) -> list[str]:
    """Return the commands and options of a command line that do not exist."""
    command, words = PROGRAM, line.split()[1:]
    while (commands := getattr(command, "commands", None)) and words and not words[0].startswith("-"):
        if words[0] not in commands:
            return words[:1]
        command = commands[words.pop(0)]
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    used = [word.split("=")[0].rstrip(",.") for word in words if word.startswith("-") and word.strip("-")]
    return [option for option in used if option not in {*options, "--help"}]


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.name != "CHANGELOG.md"], ids=name_of)
def test_commands_and_options_exist(document: Path) -> None:
    lines = command_lines(document.read_text(encoding="utf-8"))
    assert {line: unknown for line in lines if (unknown := unknown_words(line))} == {}


@pytest.mark.parametrize(
    ("line", "unknown"), [("striq scor a.png", ["scor"]), ("striq score a.png --oot b", ["--oot"])]
)
def test_unknown_words_are_found(line: str, unknown: list[str]) -> None:
    assert unknown_words(line) == unknown
