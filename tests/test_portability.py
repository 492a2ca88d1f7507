"""What differs on Windows and macOS: names, encodings, signals and processes, simulated here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_cli import read, run, write_still

PACKAGE = Path(__file__).parents[1] / "striq"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Attributes that Windows or macOS lack; to be asked for by hasattr or getattr, or where their absence is handled.
NOT_EVERYWHERE = {
    "signal": {"SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "setitimer", "pthread_sigmask"},
    "os": {"fork", "getuid", "geteuid", "mkfifo", "killpg", "setsid", "getpgid", "uname", "posix_fadvise"},
}
POSIX_MODULES = {"fcntl", "pwd", "grp", "resource", "termios", "pty", "tty"}


def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def test_processes_are_started_afresh_everywhere() -> None:
    calls = [
        (module, call)
        for module in MODULES
        for call in ast.walk(parsed(module))
        if isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) == "get_context"
    ]
    for module, call in calls:
        assert [argument.value for argument in call.args if isinstance(argument, ast.Constant)] == ["spawn"], module
    for module in MODULES:
        names = {
            alias.name
            for node in ast.walk(parsed(module))
            if isinstance(node, ast.ImportFrom) and node.module == "multiprocessing"
            for alias in node.names
        }
        assert names <= {"get_context", "parent_process"}, module


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_taken_for_granted_that_a_system_lacks(module: Path) -> None:
    tree = parsed(module)
    guarded = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.Try | ast.If | ast.IfExp | ast.FunctionDef)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.attr not in NOT_EVERYWHERE.get(node.value.id, set()), f"line {node.lineno}: {node.attr}"
        if isinstance(node, ast.Import) and id(node) not in guarded:
            assert not {alias.name for alias in node.names} & POSIX_MODULES, f"line {node.lineno}"


def test_files_are_opened_in_an_encoding_that_does_not_depend_on_the_system() -> None:
    found = []
    for module in MODULES:
        for call in ast.walk(parsed(module)):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in {"read_text", "write_text"}:
                given = {keyword.arg for keyword in call.keywords}
                needed = 1 if call.func.attr == "read_text" else 2  # type: ignore[attr-defined]
                if "encoding" not in given and len(call.args) < needed:
                    found.append(f"{module.relative_to(PACKAGE)}:{call.lineno}")
    assert found == []


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_names_of_another_language_are_printed_in_an_old_encoding(
    encoding: str, tiny_model: Path, tmp_path: Path
) -> None:
    write_still(tmp_path / "名 ü.png")
    ended = subprocess.run(
        [sys.executable, "-m", "striq.cli", "score", "名 ü.png", "--model", str(tiny_model), "--out", "-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert b"\\u540d" in ended.stdout.splitlines()[1]


def test_pictures_of_names_that_differ_in_case_only_are_files_of_their_own(tiny_model: Path, tmp_path: Path) -> None:
    stills = [write_still(tmp_path / "one" / "A.png"), write_still(tmp_path / "two" / "a.png", seed=2)]
    plots = tmp_path / "plots"
    assert run("score", *stills, "--model", tiny_model, "--out", tmp_path / "s.csv", "--plots", plots) == 0
    names = [path.name.casefold() for path in plots.iterdir()]
    assert len(names) == len(set(names)) == 2


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names of files are text there")
def test_a_name_that_is_no_text_is_scored_and_drawn(tiny_model: Path, tmp_path: Path) -> None:
    write_still(tmp_path / "a.png")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.png"))
    (tmp_path / "a.png").rename(odd)
    plots, page, table = tmp_path / "plots", tmp_path / "r.html", tmp_path / "s.csv"
    assert run("score", odd, "--model", tiny_model, "--out", table, "--plots", plots, "--html", page) == 0
    assert len(list(plots.iterdir())) == 1
    assert read(table)[0]["quality"]
    assert run("explain", odd, "--model", tiny_model, "--out", tmp_path / "why.png") == 0


def test_a_path_longer_than_windows_once_allowed_is_scored(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["x" * 60] * 5)
    still = write_still(folder / "a.png")
    assert len(str(still)) > 260
    assert run("score", still, "--model", tiny_model, "--out", folder / "s.csv", "--plots", folder / "plots") == 0
    assert [path.name for path in (folder / "plots").iterdir()] == ["a.png.png"]
