"""Tests that run the Python examples of the documents on a cine of the phantom, with the shipped model."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import ROOT, code_blocks
from ultrasound_files import phantom_pictures, write_ultrasound

from striq.scoring.checkpoint import default_checkpoint

FRAMES = 2
EXAMPLES = [
    pytest.param(block, id=f"{name}-{number}")
    for name in ("README.md", "docs/how-to/score.md")
    for number, block in enumerate(code_blocks((ROOT / name).read_text(encoding="utf-8"), "python"))
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2


@pytest.mark.skipif(not default_checkpoint().is_file(), reason="no shipped model")
@pytest.mark.parametrize("example", EXAMPLES)
def test_example_prints_a_line_per_frame(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ultrasound(tmp_path / "cine.dcm", phantom_pictures("kidney", FRAMES), series="1.2.3", study="1.2.4")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "example", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == FRAMES
