"""Tests of ``striq.scoring.threads`` and of the option ``--threads``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer

from striq import cli
from striq.scoring import threads
from striq.scoring.threads import use_threads


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_own_choice", lambda: 4)
    monkeypatch.setattr(threads, "free_processors", lambda: 3)
    yield
    torch.set_num_threads(before)


def test_free_processors_limit_the_threads() -> None:
    assert use_threads() == torch.get_num_threads() == 3


def test_no_more_threads_than_pytorch_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "free_processors", lambda: 64)
    assert use_threads() == torch.get_num_threads() == 4


def test_the_users_environment_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert use_threads() == torch.get_num_threads() == 4


def test_a_stated_number_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert use_threads(2) == torch.get_num_threads() == 2


def test_the_option_reaches_pytorch(tmp_path: Path, tiny_model: Path) -> None:
    for number in (2, 1):
        with pytest.raises(SystemExit):
            cli.main(["score", str(tmp_path / "nothing.png"), "-o", str(tmp_path / "s.csv"), "--threads", str(number)])
        assert torch.get_num_threads() == number


def commands_of(group: object, name: str = "striq") -> Iterator[tuple[str, set[str]]]:
    """Yield the options of each command."""
    for key, command in getattr(group, "commands", {}).items():
        yield from commands_of(command, f"{name} {key}")
    if not getattr(group, "commands", None) and not getattr(group, "hidden", False):
        yield name, {option for parameter in group.params for option in parameter.opts}  # type: ignore[attr-defined]


def test_every_command_with_a_device_has_the_option() -> None:
    found = dict(commands_of(typer.main.get_command(cli.app)))
    computing = {name for name, options in found.items() if "--device" in options}
    assert len(computing) > 10
    assert computing | {"striq pretrain", "striq export"} == {
        n for n, options in found.items() if "--threads" in options
    }
