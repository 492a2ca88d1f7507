"""``striq serve`` as a process of its own, for tests and measurements."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

START_S = 400.0  # on a busy machine


class ServiceProcess:
    """A running service.

    Args:
        settings: Its settings file.
        http_port: Port of its health.
    """

    def __init__(self, settings: Path, http_port: int) -> None:
        self.settings, self.url = settings, f"http://127.0.0.1:{http_port}"
        self.log = settings.with_suffix(".log")
        self._process: Any = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; wait until its model is loaded."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "striq.cli", "serve", str(self.settings)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while wait and not self.is_well():
            if self._process.poll() is not None or time.monotonic() > until:
                msg = f"striq serve does not start: {self.log.read_text(encoding='utf-8')[-2000:]}"
                raise RuntimeError(msg)
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def is_well(self) -> bool:
        """Return whether ``/health`` says so."""
        try:
            return requests.get(f"{self.url}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def metrics(self) -> str:
        """Return the metrics."""
        return requests.get(f"{self.url}/metrics", timeout=5).text

    def events(self) -> list[dict[str, Any]]:
        """Return the log."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it in order and return its exit status."""
        self._process.terminate()
        return self._process.wait(30)


def wait_for(condition: Any, seconds: float = 60) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: If it does not in time.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.1)
