"""What a result was made by: version, commit, date and time taken."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import striq

ROOT = Path(striq.__path__[0]).parent


def code_version() -> str:
    """Return the version of the package and, in a checkout, the commit."""
    version = f"striq {striq.__version__}"
    if not (ROOT / ".git").exists():
        return version
    try:
        found = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}, commit {found.stdout.strip()}"


class Stopwatch:
    """Wall and processor time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def facts(self) -> Mapping[str, object]:
        """Return the code, the date and the time taken so far."""
        return {
            "code": code_version(),
            "date": datetime.now(timezone.utc).date().isoformat(),
            "seconds": round(time.monotonic() - self._wall, 1),
            "cpu_seconds": round(time.process_time() - self._cpu, 1),
        }
