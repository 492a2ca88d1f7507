"""The Tab key in shells that are really run: commands, options and files are completed."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

TIMEOUT = 60  # s, for one key on a busy machine


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``striq`` runs this program, with an empty home."""
    program = tmp_path / "programs" / "striq"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m striq.cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "sample_of_mine").mkdir()
    path = os.pathsep.join([str(program.parent), os.environ["PATH"], "/usr/bin"])
    return {**os.environ, "PATH": path, "HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "TERM": "dumb"}


def run(command: list[str], environment: dict[str, str]) -> list[str]:
    ended = subprocess.run(
        command, env=environment, cwd=environment["HOME"], capture_output=True, text=True, check=True, timeout=300
    )
    return ended.stdout.splitlines()


@needs("bash")
def test_bash_completes_commands_and_options(environment: dict[str, str]) -> None:
    script = """
source <(striq completion bash)
complete -p striq
COMP_WORDS=(striq comple); COMP_CWORD=1; _striq_completion striq; echo "${COMPREPLY[@]}"
COMP_WORDS=(striq audit --sin); COMP_CWORD=2; _striq_completion striq; echo "${COMPREPLY[@]}"
"""
    assert run(["bash", "-c", script], environment)[-2:] == ["completion", "--since"]


@needs("fish")
def test_fish_completes_commands_options_and_files(environment: dict[str, str]) -> None:
    script = """
striq completion fish | source
complete -C "striq comple"
complete -C "striq audit --sin"
complete -C "striq score sample_of"
"""
    found = [line.split("\t")[0] for line in run(["fish", "--no-config", "-c", script], environment)]
    assert found == ["completion", "--since", "sample_of_mine/"]


class Zsh:
    """An interactive zsh in a terminal of its own, at its prompt."""

    def __init__(self, environment: dict[str, str]) -> None:
        in_terminal = [sys.executable, "-c", "import pty; pty.spawn(['zsh', '-i'])"]
        self.process = subprocess.Popen(
            in_terminal, env=environment, cwd=environment["HOME"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.wait_for("READY> ")

    def type(self, keys: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(keys.encode())
        self.process.stdin.flush()

    def wait_for(self, expected: str) -> None:
        """Read what is shown until there is a text; a bell in its place is a key that did nothing."""
        assert self.process.stdout is not None
        shown, end = "", time.monotonic() + TIMEOUT
        while expected not in shown:
            assert time.monotonic() < end, f"expected {expected!r}, got {shown!r}"
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                part = os.read(self.process.stdout.fileno(), 4096).decode(errors="replace")
                shown += re.sub(r"\x1b\[[?\d;]*\w", "", part)
            assert "\a" not in shown, f"expected {expected!r}, got {shown!r}"

    def end(self) -> None:
        self.type("\x15exit\n")
        self.process.communicate(timeout=TIMEOUT)


@needs("zsh")
@pytest.mark.parametrize(
    "start",
    [
        "fpath+=~/.zfunc; autoload -Uz compinit; compinit -u",
        "autoload -Uz compinit; compinit -u; source ~/.zfunc/_striq",
    ],
    ids=["found by zsh", "read at the start"],
)
def test_zsh_completes_at_the_first_tab(environment: dict[str, str], start: str) -> None:
    home = Path(environment["HOME"])
    (home / ".zfunc").mkdir()
    script = "\n".join(run(["striq", "completion", "zsh"], environment))
    (home / ".zfunc" / "_striq").write_text(script + "\n", encoding="utf-8")
    (home / ".zshrc").write_text(f"PS1='READY> '\n{start}\n", encoding="utf-8")
    zsh = Zsh(environment)
    try:
        for typed, completed in (
            ("striq comple", "tion "),
            ("striq audit --sin", "ce "),
            ("striq score sam", "ple_of_mine/"),
        ):
            zsh.type(f"{typed}\t")
            zsh.wait_for(typed)
            zsh.wait_for(completed)
            zsh.type("\x15")  # clears the line
    finally:
        zsh.end()
