"""Tests of ``benchmarks/gpu_check.sh``, tried on the CPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gpu_check(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import gpu_check

    return gpu_check


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("timeout") is None, reason="needs bash and timeout")
@pytest.mark.filterwarnings("ignore")
def test_script_prints_one_json_object() -> None:
    command = ["bash", str(ROOT / "benchmarks" / "gpu_check.sh"), "--device", "cpu", "--small"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": sys.executable}, timeout=400
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert set(found) == {"machine", "parity", "times", "training", "seconds"}
    assert [row["precision"] for row in found["parity"]] == ["float32", "bfloat16"]
    assert found["parity"][0]["largest"] < 1e-4
    assert found["times"]["single_ms"] > 0
    assert found["training"]["single"]["finite"] is True


def test_part_that_fails_does_not_end_the_others(gpu_check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> object:
        msg = "no such kernel"
        raise RuntimeError(msg)

    parts = {"parity": fail, "times": lambda: {"single_ms": 1.0}}
    monkeypatch.setattr(gpu_check.Check, "parts", lambda _: parts)
    found = gpu_check.Check("cpu", small=True).run()
    assert found["parity"] == {"error": "RuntimeError: no such kernel"}
    assert found["times"] == {"single_ms": 1.0}
    assert gpu_check.has_failed(found)


def test_parts_that_would_begin_too_late_are_left_out_by_name(gpu_check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check.Check, "parts", lambda _: {"times": lambda: {"single_ms": 1.0}})
    found = gpu_check.Check("cpu", small=True, limit_s=-1.0).run()
    assert "have passed" in found["times"]["left_out"]
    assert not gpu_check.has_failed(found)
