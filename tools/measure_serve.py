"""Measurements of ``striq serve`` with Orthanc: load, kills and memory.

``python tools/measure_serve.py load --cines 200`` sends cines in parallel associations and prints the throughput, and
the latency from the last object to the report in the PACS. ``kills --kills 20`` kills the service and Orthanc at random
while studies arrive, and checks that each study was reported exactly once. ``memory --objects 10000`` sends objects and
prints the memory of the service. Each needs the Debian packages ``orthanc`` and ``orthanc-dicomweb``, and a model;
``--model`` names one, and by default the small model of the tests is fitted.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pydicom
import requests
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from pynetdicom import AE

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from tests.serve import orthanc as pacs  # noqa: E402
from tests.serve.orthanc import Orthanc, free_port  # noqa: E402
from tests.serve.service_process import ServiceProcess, wait_for  # noqa: E402
from tests.ultrasound_files import phantom_pictures, write_ultrasound  # noqa: E402

LATENCY = "striq_report_latency_seconds"
STUDY_ROOT = "1.2.826.0.1.3680043.8.498"
SETTINGS = """
folder = "{folder}"
[storage]
port = {port}
max_associations = 250
[scoring]
model = "{model}"
[[scoring.pools]]
device = "cpu"
workers = {workers}
threads = 1
[reports]
quiet_s = {quiet_s}
explain = false
[[destinations]]
name = "pacs"
kind = "dicom"
host = "127.0.0.1"
port = {pacs_port}
ae_title = "ORTHANC"
[retry]
first_s = 0.5
longest_s = 5
[disk]
max_gb = 10
min_free_gb = 0.1
[http]
port = {http_port}
"""


class Stage:
    """A service and a PACS in a folder of their own."""

    def __init__(self, folder: Path, model: Path, *, workers: int, quiet_s: float) -> None:
        self.folder, self.port, http_port = folder, free_port(), free_port()
        self.orthanc = Orthanc(folder / "pacs", self.port)
        settings = folder / "striq.toml"
        values = {"folder": folder / "service", "port": self.port, "model": model, "http_port": http_port}
        values |= {"pacs_port": self.orthanc.dicom_port, "workers": workers, "quiet_s": quiet_s}
        settings.write_text(SETTINGS.format(**values), encoding="utf-8")
        self.service = ServiceProcess(settings, http_port)

    def start(self) -> None:
        """Start both."""
        self.orthanc.start()
        self.service.start()

    def stop(self) -> None:
        """End both."""
        self.service.stop()
        self.orthanc.stop()


def make_cines(folder: Path, studies: int, cines: int, frames: int) -> list[Path]:
    """Write cines of several studies, all of the same pictures, and return their paths."""
    pictures = phantom_pictures("a4c", frames)
    return [
        write_ultrasound(
            folder / f"{study}_{cine}.dcm",
            pictures,
            series=f"{STUDY_ROOT}.{study}.{cine}",
            study=f"{STUDY_ROOT}.{study}",
            number=cine,
        )
        for study in range(1, studies + 1)
        for cine in range(1, cines + 1)
    ]


def send(port: int, dataset: Dataset) -> bool:
    """Send an object by an association of its own; return whether it was acknowledged."""
    entity = AE(ae_title="SENDER")
    entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = 120
    entity.add_requested_context(UltrasoundMultiFrameImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title="STRIQ")
    if not association.is_established:
        return False
    try:
        return association.send_c_store(dataset).get("Status") == 0
    except (RuntimeError, ValueError):
        return False
    finally:
        if association.is_established:
            association.release()


def num_reports(orthanc: Orthanc) -> int:
    """Return how many structured reports the PACS has."""
    try:
        return len(orthanc.instances("SR"))
    except requests.RequestException:
        return -1


def measure_load(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Send cines in parallel associations."""
    stage = Stage(folder, options.model, workers=options.workers, quiet_s=1)
    files = make_cines(folder / "cines", options.studies, options.cines // options.studies, options.frames)
    datasets = [pydicom.dcmread(file) for file in files]
    try:
        stage.start()
        started = time.monotonic()
        with ThreadPoolExecutor(len(datasets)) as threads:
            taken = sum(threads.map(lambda dataset: send(stage.port, dataset), datasets))
        received = time.monotonic() - started
        wait_for(lambda: num_reports(stage.orthanc) >= len(files), options.timeout)
        reported = time.monotonic() - started
        metrics, in_pacs = stage.service.metrics(), num_reports(stage.orthanc)
    finally:
        stage.stop()
    latency = {
        name: sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(f"{LATENCY}_{name}"))
        for name in ("sum", "count")
    }
    return {
        "cines": len(files),
        "frames": len(files) * options.frames,
        "acknowledged": taken,
        "seconds_to_receive": received,
        "objects_per_second_received": len(files) / received,
        "seconds_to_last_report_in_pacs": reported,
        "seconds_from_last_object_to_last_report_in_pacs": reported - received,
        "frames_per_second_scored": len(files) * options.frames / reported,
        "reports_in_pacs": in_pacs,
        "mean_seconds_from_study_to_report": latency["sum"] / max(1, latency["count"]),
    }


def num_reports_of(metrics: str) -> float:
    """Return how many reports the service says it has sent."""
    name = 'striq_items_sent_total{destination="pacs",kind="report"}'
    return next((float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name)), 0.0)


def measure_kills(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Kill the service and the PACS at random while studies arrive."""
    generator = random.Random(options.seed)
    stage = Stage(folder, options.model, workers=options.workers, quiet_s=3)
    files = make_cines(folder / "cines", options.studies, 2, options.frames)
    unsent = [pydicom.dcmread(file) for file in files]
    kills: Counter[str] = Counter()
    try:
        stage.start()
        while sum(kills.values()) < options.kills:
            if generator.random() < options.ready:
                wait_for(stage.service.is_well, options.timeout)
            share = -(-len(unsent) // (options.kills - sum(kills.values())))
            for _ in range(share):  # the last one just before the kill
                time.sleep(generator.uniform(*options.pause))
                wait_for(lambda: send_first(stage.port, unsent), options.timeout)
            time.sleep(generator.uniform(0, options.after))
            victim = generator.choice(["service", "orthanc"])
            kills[victim] += 1
            if victim == "service":
                stage.service.kill()
                stage.service.start(wait=False)
            else:
                stage.orthanc.kill()
                stage.orthanc.start()
            print(f"kill {sum(kills.values())}: {victim}, {len(unsent)} objects unsent", file=sys.stderr)  # noqa: T201
        wait_for(lambda: not unsent or (send_first(stage.port, unsent) and False), options.timeout)
        wait_for(lambda: num_reports(stage.orthanc) >= len(files), options.timeout)
        time.sleep(10)  # would show a report that came twice
        return {"kills": dict(kills), **check_kills(stage, files)}
    finally:
        stage.stop()


def send_first(port: int, unsent: list[Dataset]) -> bool:
    """Send the next object, as a scanner that tries again until it is told that the object was taken."""
    if unsent and not send(port, unsent[0]):
        return False
    del unsent[:1]
    return True


def check_kills(stage: Stage, files: Sequence[Path]) -> dict[str, Any]:
    """Return whether each object has one report in the PACS, and its rows once."""
    import pyarrow.parquet

    reports = Counter(referenced(stage, one) for one in stage.orthanc.instances("SR"))
    sent = {str(pydicom.dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID) for file in files}
    rows = pyarrow.parquet.read_table(stage.folder / "service" / "audit").to_pylist()
    frames = Counter((row["source"], row["frame"]) for row in rows)
    return {
        "studies": len({file.name.split("_")[0] for file in files}),
        "objects": len(sent),
        "objects_with_exactly_one_report": sum(reports[uid] == 1 for uid in sent),
        "reports_in_pacs": sum(reports.values()),
        "rows": len(rows),
        "rows_twice": sum(count > 1 for count in frames.values()),
        "objects_in_rows": len({source for source, _ in frames}),
    }


def referenced(stage: Stage, report: str) -> str:
    """Return the instance that a report is about."""
    path = stage.orthanc.download(report, stage.folder / "report.dcm")
    evidence = pydicom.dcmread(path).CurrentRequestedProcedureEvidenceSequence[0]
    return str(evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def measure_memory(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Send many small objects over a few associations, and follow the memory of the service."""
    stage = Stage(folder, options.model, workers=options.workers, quiet_s=1)
    base = pydicom.dcmread(make_cines(folder / "cines", 1, 1, options.frames)[0])
    found: list[dict[str, float]] = []
    entity = AE(ae_title="SENDER")
    entity.add_requested_context(UltrasoundMultiFrameImageStorage, ExplicitVRLittleEndian)
    statuses = Counter[str]()
    try:
        stage.start()
        started = time.monotonic()
        for number in range(options.objects):
            if number % 100 == 0:
                association = entity.associate("127.0.0.1", stage.port, ae_title="STRIQ")
            study = number // 20
            base.StudyInstanceUID, base.SeriesInstanceUID = f"{STUDY_ROOT}.{study}", f"{STUDY_ROOT}.{study}.1"
            base.SOPInstanceUID = base.file_meta.MediaStorageSOPInstanceUID = f"{STUDY_ROOT}.{study}.1.{number}"
            statuses[f"0x{association.send_c_store(base).Status:04X}"] += 1
            if number % 100 == 99:
                association.release()
                found.append({"objects": number + 1, "seconds": time.monotonic() - started, "mb": resident_mb(stage)})
        metrics = stage.service.metrics()
    finally:
        stage.stop()
    return {"statuses": dict(statuses), "memory": found, "reports_sent": num_reports_of(metrics)}


def resident_mb(stage: Stage) -> float:
    """Return the resident memory of the main process of the service, megabytes."""
    status = Path(f"/proc/{stage.service.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def main() -> None:
    """Measure, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["load", "kills", "memory"])
    parser.add_argument(
        "--model", type=Path, help="a model.pt or a bundle folder; the small model of the tests by default"
    )
    parser.add_argument("--cines", type=int, default=200, help="of load")
    parser.add_argument("--studies", type=int, default=20, help="of load and kills")
    parser.add_argument("--frames", type=int, default=3, help="of each cine")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, nargs=2, default=(0.0, 2.0), help="seconds before an object")
    parser.add_argument("--ready", type=float, default=0.5, help="share of kills that wait until the model is loaded")
    parser.add_argument("--after", type=float, default=3.0, help="seconds between an object and a kill, at most")
    parser.add_argument("--objects", type=int, default=10_000, help="of memory")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds to wait for the last report")
    options = parser.parse_args()
    if pacs.missing():
        parser.exit(2, f"{pacs.missing()}\n")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if options.model is None:
            from conftest import fit_tiny_scorer

            options.model = fit_tiny_scorer().save(folder / "model.pt")
        measure = {"load": measure_load, "kills": measure_kills, "memory": measure_memory}[options.what]
        sys.stdout.write(json.dumps(measure(folder, options), indent=2) + "\n")


if __name__ == "__main__":
    main()
