"""A MONAI Label server with the app on loopback, and reference scores from the command line."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).parents[2]
APP = ROOT / "monailabel_app"
REAL_DATA = ROOT.parent / "shared" / "data"
STRIQ_PYTHON = os.environ.get("STRIQ_PYTHON", "")
START_SECONDS, REQUEST_SECONDS = 400.0, 400.0  # on a busy machine
NOWHERE = "http://127.0.0.1:9"  # a proxy that does not exist: connections to other machines fail


def striq(*arguments: str | Path) -> None:
    """Run Python in STRIQ's environment, without the PYTHONPATH of this one."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([STRIQ_PYTHON, *map(str, arguments)], check=True, env=environment, capture_output=True)


def scores_of_command_line(out: Path, model: Path, *paths: Path, plane: str = "auto") -> dict[tuple[str, int], dict]:
    """Return the rows that ``striq score`` writes, by name of the file and number of the frame."""
    program = "import sys; from striq.cli import main; sys.exit(main())"
    given = ["--model", model, "--plane", plane, "--device", "cpu", "--out", out]
    striq("-c", program, "score", *paths, *given)
    with out.open(newline="") as rows:
        return {(Path(row["source"]).name, int(row["frame"])): row for row in csv.DictReader(rows)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_environment(**extra: str) -> dict[str, str]:
    """Return environment variables with which the server can reach this machine only."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    local = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # for `monailabel`
    return {**os.environ, **proxies, **local, "PATH": path, **extra}


class Server:
    """A running server with the app, started as users start it.

    Args:
        folder: Folder for a copy of the app, its log and MONAI Label's caches.
        studies: Folder of images, or address of an archive.
        conf: Pairs for ``--conf``.
        environment: More environment variables.
    """

    def __init__(self, folder: Path, studies: str | Path, conf: dict[str, str], **environment: str) -> None:
        self.log = folder / "server.log"
        self.url = f"http://127.0.0.1:{free_port()}"
        app = shutil.copytree(APP, folder / "app", ignore=shutil.ignore_patterns("tests", "__pycache__", "logs"))
        pairs = [part for pair in conf.items() for part in ("--conf", *pair)]
        command = ["monailabel", "start_server", "--app", str(app), "--studies", str(studies)]
        command += ["-i", "127.0.0.1", "-p", self.url.rsplit(":", 1)[1], *pairs]
        place = {"HOME": str(folder), "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "archive"), **environment}
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command, env=server_environment(**place), cwd=folder, stdout=self.log.open("wb"), stderr=subprocess.STDOUT
        )
        self._await_start(started)

    def _await_start(self, started: float) -> None:
        while True:
            try:
                requests.get(f"{self.url}/info/", timeout=REQUEST_SECONDS)
            except requests.ConnectionError:
                ended = self.process.poll() is not None
                assert not ended, f"The server ended:\n{self.log.read_text()[-4000:]}"
                assert time.perf_counter() - started < START_SECONDS, self.log.read_text()[-4000:]
                time.sleep(0.2)
            else:
                self.start_seconds = time.perf_counter() - started
                return

    def get(self, path: str) -> Any:
        """Return the JSON of a GET request."""
        answer = requests.get(self.url + path, timeout=REQUEST_SECONDS)
        assert answer.ok, answer.text
        return answer.json()

    def infer(self, image: str = "", *, upload: Path | None = None, model: str = "striq_quality", params: str = "{}"):
        """Request the scores of an image in the datastore, or of an uploaded one."""
        query = {"output": "json", **({"image": image} if image else {})}
        files = None if upload is None else {"file": (upload.name, upload.read_bytes())}
        url = f"{self.url}/infer/{model}"
        return requests.post(url, params=query, data={"params": params}, files=files, timeout=REQUEST_SECONDS)

    def next_sample(self, strategy: str = "worst_first") -> dict[str, Any]:
        """Return the next image."""
        answer = requests.post(f"{self.url}/activelearning/{strategy}", json={}, timeout=REQUEST_SECONDS)
        assert answer.ok, answer.text
        return answer.json()

    def notes(self, *, when_scored: int) -> dict[str, dict[str, Any]]:
        """Wait until so many images have been scored or refused; return the notes about all images."""
        until = time.perf_counter() + START_SECONDS
        while True:
            objects = self.get("/datastore/?output=all")["objects"]
            notes = {image: stored["image"]["info"] for image, stored in objects.items()}
            if sum("striq_model" in note for note in notes.values()) >= when_scored:
                return notes
            assert time.perf_counter() < until, f"{notes}\n{self.log.read_text()[-4000:]}"
            time.sleep(0.5)

    def scoring_processes(self) -> list[psutil.Process]:
        """Return the scoring processes that the server itself started."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "striq.service" in child.cmdline()]

    def stop(self) -> None:
        """End the server and the processes that it started."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        self.process.wait(60)
        _, alive = psutil.wait_procs(started, timeout=60)
        for process in alive:
            process.kill()
        assert not [process for process in alive if "striq.service" in str(process)], (
            "a scoring process was left behind"
        )
