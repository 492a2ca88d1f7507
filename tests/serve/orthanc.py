"""An Orthanc on this machine with its own folder and ports, for tests and measurements."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_S = 30.0


def missing() -> str:
    """Return why Orthanc cannot be started; empty if it can."""
    if shutil.which("Orthanc") is None:
        return "Orthanc is not installed (Debian package orthanc)"
    return "" if PLUGIN.is_file() else "Orthanc's DICOMweb plug-in is not installed (Debian package orthanc-dicomweb)"


def free_port() -> int:
    """Return a port that no program listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Orthanc:
    """A PACS.

    Args:
        folder: Its folder.
        striq_port: Port of the storage service of STRIQ, known to it as STRIQ.
    """

    def __init__(self, folder: Path, striq_port: int) -> None:
        self.folder, self.http_port, self.dicom_port = folder, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.web_url = f"{self.url}/dicom-web"
        folder.mkdir(parents=True)
        self._write_configuration(striq_port)
        self._session = requests.Session()
        self._process: Any = None

    def _write_configuration(self, striq_port: int) -> None:
        configuration = {
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": {"STRIQ": ["STRIQ", "127.0.0.1", striq_port]},
            "DicomScuTimeout": 20,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (self.folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log.txt").open("ab") as log:
            command = ["Orthanc", str(self.folder / "orthanc.json")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.get("system")
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return
        msg = f"Orthanc does not start, see {self.folder / 'log.txt'}"
        raise RuntimeError(msg)

    def kill(self) -> None:
        """End it at once, as a loss of power would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        self._process.terminate()
        self._process.wait(20)
        self._session.close()

    def get(self, path: str) -> Any:
        """Return the JSON of an address."""
        answer = self._session.get(f"{self.url}/{path}", timeout=20)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, value: Any) -> Any:
        """Post JSON or bytes, and return the JSON of the answer."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        answer = self._session.post(f"{self.url}/{path}", data=data, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def upload(self, file: Path) -> str:
        """Put a file into it and return the identifier of the instance."""
        return self.post("instances", file.read_bytes())["ID"]

    def send_to_striq(self, instances: list[str]) -> None:
        """Send instances to STRIQ by C-STORE, and wait until they are taken."""
        self.post("modalities/STRIQ/store", instances)

    def instances(self, modality: str) -> list[str]:
        """Return the identifiers of all instances of a modality."""
        query = {"Level": "Series", "Query": {"Modality": modality}, "Expand": True}
        return [one for series in self.post("tools/find", query) for one in series["Instances"]]

    def tags(self, instance: str) -> dict[str, Any]:
        """Return the tags of an instance by keyword."""
        return self.get(f"instances/{instance}/simplified-tags")

    def download(self, instance: str, target: Path) -> Path:
        """Write an instance to a file."""
        answer = self._session.get(f"{self.url}/instances/{instance}/file", timeout=20)
        answer.raise_for_status()
        target.write_bytes(answer.content)
        return target


@contextmanager
def running(orthanc: Orthanc) -> Iterator[Orthanc]:
    """Start an Orthanc, and end it afterwards."""
    orthanc.start()
    try:
        yield orthanc
    finally:
        orthanc.stop()
