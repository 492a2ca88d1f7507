"""The service with a real PACS: Orthanc and its DICOMweb plug-in."""

from __future__ import annotations

import datetime
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import highdicom
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pynetdicom.sop_class import ComprehensiveSRStorage

from striq.serve.delivery import Delivery
from striq.serve.dicomweb_polling import DicomWebPoller
from striq.serve.outbox import REPORT, Item
from striq.serve.queue import Arrival, DueStudy
from striq.serve.senders import DicomSender, DicomWebSender
from striq.serve.settings import Destination, DicomWebSource
from tests.serve import orthanc as pacs
from tests.serve.conftest import Bench, write_object
from tests.serve.orthanc import Orthanc, free_port
from tests.serve.service_process import ServiceProcess, wait_for
from tests.ultrasound_files import phantom_pictures, write_ultrasound

pytestmark = [
    pytest.mark.skipif(bool(pacs.missing()), reason=pacs.missing()),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # sockets of libraries
]
STUDY = "1.2.826.0.1.3680043.8.498.77"
SETTINGS = """
folder = "{folder}"
[storage]
port = {port}
calling_ae_titles = ["ORTHANC"]
[scoring]
model = "{model}"
[reports]
quiet_s = 1
[[destinations]]
name = "pacs"
kind = "dicom"
host = "127.0.0.1"
port = {pacs_port}
ae_title = "ORTHANC"
[[destinations]]
name = "web"
kind = "dicomweb"
url = "{web_url}"
[[webhooks]]
name = "hook"
url = "http://127.0.0.1:{hook_port}/"
[retry]
first_s = 0.5
[http]
port = {http_port}
"""


@pytest.fixture(scope="module")
def striq_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, striq_port: int) -> Iterator[Orthanc]:
    with pacs.running(Orthanc(tmp_path_factory.mktemp("orthanc") / "pacs", striq_port)) as found:
        yield found


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    """A receiver of messages, which keeps them in ``messages``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.messages.append(body)  # type: ignore[attr-defined]
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.messages = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_study_that_the_pacs_sends_comes_back_as_reports(
    orthanc: Orthanc, striq_port: int, tiny_model: Path, hook: HTTPServer, tmp_path: Path
) -> None:
    http_port = free_port()
    settings = tmp_path / "striq.toml"
    values = {"folder": tmp_path / "service", "port": striq_port, "model": tiny_model, "http_port": http_port}
    values |= {"pacs_port": orthanc.dicom_port, "web_url": orthanc.web_url, "hook_port": hook.server_port}
    settings.write_text(SETTINGS.format(**values), encoding="utf-8")
    service = ServiceProcess(settings, http_port)
    service.start()
    try:
        images: list[str] = []
        for number, plane in enumerate(("a4c", "abdomen"), start=1):
            file = tmp_path / f"{plane}.dcm"
            write_ultrasound(file, phantom_pictures(plane, 3), series=f"{STUDY}.{number}", study=STUDY, number=number)
            images.append(orthanc.upload(file))
        orthanc.send_to_striq(images)
        wait_for(lambda: hook.messages)  # type: ignore[attr-defined]
        wait_for(lambda: 'destination="web",state="sent"} 3.0' in service.metrics())
        wait_for(lambda: 'destination="pacs",state="sent"} 3.0' in service.metrics())
        orthanc.send_to_striq(images)  # sent again: known, and not reported again
        wait_for(lambda: 'striq_objects_duplicate_total{origin="storage"} 2.0' in service.metrics())
        check_status(settings)
    finally:
        assert service.stop() == 0
    check_reports(orthanc, tmp_path)
    check_texts(service, settings.parent / "service", hook)


def check_status(settings: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "striq.cli", "serve", str(settings), "--status"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert found.splitlines() == [
        "Objects: 0 waiting, 0 scoring, 2 scored, 0 dead",
        "hook: 1 sent",
        "pacs: 3 sent",
        "web: 3 sent",
    ]


def check_reports(orthanc: Orthanc, tmp_path: Path) -> None:
    reports = [orthanc.download(one, tmp_path / f"{one}.dcm") for one in orthanc.instances("SR")]
    assert len(reports) == 2
    for path in reports:
        report = highdicom.sr.srread(path)
        assert isinstance(report, highdicom.sr.ComprehensiveSR)
        assert report.StudyInstanceUID == STUDY
        assert report.PatientName == "Phantom^Synthetic"
        groups = report.content.get_image_measurement_groups()
        assert len(groups) == 1 + 3  # the cine and its frames
    (selection,) = orthanc.instances("KO")
    document = highdicom.ko.KeyObjectSelectionDocument.from_dataset(
        pydicom.dcmread(orthanc.download(selection, tmp_path / "ko.dcm"))
    )
    references = document.content.get_references()
    assert references
    assert all(1 <= frame <= 3 for item in references for frame in item.referenced_frame_numbers or [])
    assert document.StudyInstanceUID == STUDY


def check_texts(service: ServiceProcess, folder: Path, hook: HTTPServer) -> None:
    (message,) = hook.messages  # type: ignore[attr-defined]
    log = service.log.read_text(encoding="utf-8")
    for text in (message.decode(), log, (folder / "pages" / f"{STUDY}.html").read_text(encoding="utf-8")):
        assert "Synthetic" not in text
    assert STUDY in message.decode()
    assert STUDY not in log
    assert [event["event"] for event in service.events()].count("study reported") == 1


def test_new_series_are_fetched_by_dicomweb(orthanc: Orthanc, bench: Bench, tmp_path: Path) -> None:
    today = f"{datetime.date.today():%Y%m%d}"
    for number in (1, 2):
        orthanc.upload(write_object(tmp_path / "a.dcm", 5, number, StudyDate=today))
    orthanc.upload(write_object(tmp_path / "b.dcm", 6, 1, StudyDate="20010101"))
    poller = DicomWebPoller(DicomWebSource("archive", orthanc.web_url), bench.queue, bench.arrivals)
    for _ in range(2):
        poller.step()
    assert bench.queue.counts()["waiting"] == 2
    assert bench.metric("striq_objects_received_total", origin="archive") == 2
    assert bench.metric("striq_objects_duplicate_total", origin="archive") == 0
    orthanc.upload(write_object(tmp_path / "c.dcm", 5, 3, StudyDate=today))
    poller.step()
    assert bench.queue.counts()["waiting"] == 3


def test_a_report_goes_out_by_stow_and_is_found_by_qido(orthanc: Orthanc, bench: Bench) -> None:
    deliver(bench, DicomWebSender(Destination("pacs", "dicomweb", url=orthanc.web_url)), "1.2.90.1")
    found = DICOMwebClient(orthanc.web_url).search_for_instances("1.2.90")
    assert [one["00080018"]["Value"] for one in found] == [["1.2.90.1"]]
    assert bench.outbox.counts() == {("pacs", "sent"): 1}


def test_a_wrong_title_of_the_pacs_does_not_lose_the_report(orthanc: Orthanc, bench: Bench) -> None:
    sender = DicomSender(Destination("pacs", "dicom", host="127.0.0.1", port=free_port(), ae_title="ORTHANC"))
    deliver(bench, sender, "1.2.91.1")
    assert bench.outbox.counts() == {("pacs", "pending"): 1}
    bench.clock.time += 60
    right = Destination("pacs", "dicom", host="127.0.0.1", port=orthanc.dicom_port, ae_title="ORTHANC")
    assert Delivery(
        "pacs", DicomSender(right), bench.layout, bench.outbox, bench.metrics, bench.log, bench.clock
    ).step()
    assert bench.outbox.counts() == {("pacs", "sent"): 1}


def deliver(bench: Bench, sender: DicomSender | DicomWebSender, uid: str) -> None:
    """Put a report into the outbox and try to send it once."""
    path = write_object(
        bench.layout.outbox / "one.dcm", 90, 1, SOPInstanceUID=uid, SOPClassUID=ComprehensiveSRStorage, Modality="SR"
    )
    bench.queue.add(Arrival("1.2.90", "1.2.90.1", uid, "digest", 1, "test"))
    item = Item(REPORT, uid, str(path.relative_to(bench.layout.root)))
    bench.outbox.report_study(DueStudy(1, "1.2.90", 1, 0, 0), [1], [("pacs", item)])
    delivery(bench, sender).step()


def delivery(bench: Bench, sender: DicomSender | DicomWebSender) -> Delivery:
    return Delivery("pacs", sender, bench.layout, bench.outbox, bench.metrics, bench.log, bench.clock)
