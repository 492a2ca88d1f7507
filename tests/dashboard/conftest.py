"""Runs functions of the page's scripts in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import striq.dashboard
from striq.audit.plan import AuditSettings

PAGE = Path(striq.dashboard.__file__).parent / "page"


@pytest.fixture(scope="session")
def script() -> Callable[..., Any]:
    """Return a function that evaluates an expression of the scripts, with the value ``given``."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    sources = "\n".join(
        (PAGE / name).read_text(encoding="utf-8") for name in ("statistics.js", "groups.js", "charts.js", "tables.js")
    )

    def evaluate(expression: str, given: Any = None) -> Any:
        code = f"{sources}\nconst given = {json.dumps(given)};\nprocess.stdout.write(JSON.stringify({expression}));"
        ran = subprocess.run([node, "-"], input=code, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return evaluate


@pytest.fixture
def settings() -> AuditSettings:
    """Settings of an audit by a model that these tests do not load."""
    return AuditSettings("ab" * 32, "model.pt", "0", 0.5)
