"""Tests of the app with a DICOMweb archive, as OHIF uses it; the archive is a small stand-in on loopback."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pydicom
import pytest
from serving import Server
from test_server import assert_as_command_line

TAGS = ("StudyInstanceUID", "SeriesInstanceUID", "Modality", "StudyDate", "StudyTime", "PatientID")


class Archive(ThreadingHTTPServer):
    """Answers searches for series (QIDO-RS), sends the files of a series (WADO-RS) and records both."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/dicom-web"
        self.files: dict[str, list[Path]] = {}
        self.headers_of: dict[str, pydicom.Dataset] = {}
        self.sent: list[str] = []
        self.received: list[str] = []
        for file in files:
            header = pydicom.dcmread(file, stop_before_pixels=True)
            self.files.setdefault(header.SeriesInstanceUID, []).append(file)
            self.headers_of[header.SeriesInstanceUID] = header


class Answer(BaseHTTPRequestHandler):
    server: Archive

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path.endswith("/series"):
            self._search({key: values[0] for key, values in parse_qs(address.query).items()})
        else:
            self._send_files(address.path.rsplit("/", 1)[1])

    def do_POST(self) -> None:
        self.server.received.append(self.path)
        self.send_error(405)

    def _search(self, wanted: dict[str, str]) -> None:
        found = []
        for header in self.server.headers_of.values():
            if all(str(header.get(key, value)) == value for key, value in wanted.items()):
                entry = pydicom.Dataset()
                for name in TAGS:
                    setattr(entry, name, header.get(name))
                found.append(entry.to_json_dict())
        self._reply("application/dicom+json", json.dumps(found).encode())

    def _send_files(self, series: str) -> None:
        self.server.sent.append(series)
        mark = uuid.uuid4().hex
        head = f"\r\n--{mark}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(head + file.read_bytes() for file in self.server.files[series])
        kind = f'multipart/related; type="application/dicom"; boundary={mark}'
        self._reply(kind, body + f"\r\n--{mark}--\r\n".encode())

    def _reply(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def archive(files: Path) -> Iterator[Archive]:
    running = Archive([files / "cine.dcm", *sorted((files / "series").iterdir())])
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()


@pytest.fixture(scope="module")
def server(archive: Archive, conf: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"), archive.url, conf)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def series(files: Path) -> tuple[str, str]:
    """The series with one instance and the series with two."""
    paths = (files / "cine.dcm", files / "series" / "1.dcm")
    single, pair = (str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID) for path in paths)
    return single, pair


def test_series_of_one_cine_gets_the_scores_of_the_command_line(
    server: Server, series: tuple[str, str], expected: dict
) -> None:
    answer = server.infer(series[0])
    assert answer.status_code == 200, answer.text
    frames = answer.json()["frames"]
    assert len(frames) == 5
    for index, frame in enumerate(frames):
        assert_as_command_line(frame, expected["cine.dcm", index])


def test_series_of_several_instances_is_scored_in_the_order_of_their_numbers(
    server: Server, series: tuple[str, str], expected: dict
) -> None:
    score = server.infer(series[1]).json()
    # Instance 1 has one frame and lies in 2.dcm, instance 2 has two and lies in 1.dcm.
    rows = [expected["2.dcm", 0], expected["1.dcm", 0], expected["1.dcm", 1]]
    assert len(score["frames"]) == len(rows)
    for frame, row in zip(score["frames"], rows, strict=True):
        assert_as_command_line(frame, row)
    first, second = float(rows[0]["quality"]), (float(rows[1]["quality"]) + float(rows[2]["quality"])) / 2
    assert score["quality"] == pytest.approx((first + second) / 2, abs=1e-5)


def test_series_that_the_archive_has_not_is_refused_in_words(server: Server) -> None:
    answer = server.infer("1.2.3")
    assert answer.status_code == 404
    assert "no series '1.2.3'" in answer.json()["detail"]


def test_worst_series_comes_first_with_what_ohif_needs_to_open_it(server: Server, series: tuple[str, str]) -> None:
    notes = server.notes(when_scored=2)
    worst = min(series, key=lambda uid: notes[uid]["striq_quality"])
    sample = server.next_sample()
    assert sample["id"] == sample["SeriesInstanceUID"] == worst
    assert sample["StudyInstanceUID"]
    assert sample["Modality"] == "US"


def test_nothing_was_sent_to_the_archive(server: Server, archive: Archive, series: tuple[str, str]) -> None:
    server.notes(when_scored=2)
    assert archive.received == []
    assert set(archive.sent) == set(series)
