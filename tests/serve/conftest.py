"""Small parts of the service that its tests share: objects, settings, and a service without processes."""

from __future__ import annotations

import io
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from striq.serve.arrivals import Arrivals
from striq.serve.database import Database
from striq.serve.disk import DiskBounds
from striq.serve.intake import Intake
from striq.serve.jobs import Jobs
from striq.serve.layout import Layout
from striq.serve.logs import Log
from striq.serve.metrics import Metrics
from striq.serve.outbox import Outbox
from striq.serve.queue import Queue
from striq.serve.settings import Destination, Disk, Http, Reports, Retry, ServeSettings, Storage, Webhook
from striq.serve.storage_scp import sop_class_uids
from tests.dicom_writer import save, ultrasound

PATIENT = "Secret^Patient"


def small_object(study: int = 1, number: int = 1, **header: Any) -> Dataset:
    """Return a small ultrasound image of a study."""
    image = ultrasound(np.full((8, 8), number, np.uint8))
    image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.{study}", f"1.2.{study}.1"
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.{study}.1.{number}"
    image.PatientName, image.PatientID = PATIENT, "4711-secret"
    for keyword, value in header.items():
        setattr(image, keyword, value)
    return image


def write_object(path: Path, study: int = 1, number: int = 1, **header: Any) -> Path:
    """Write a small ultrasound image of a study."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(small_object(study, number, **header), path)


def make_settings(folder: Path, **given: Any) -> ServeSettings:
    """Return settings on free ports of this machine."""
    settings = ServeSettings(
        folder=str(folder),
        storage=Storage(port=0, calling_ae_titles=("SENDER",)),
        reports=Reports(quiet_s=10, pages=False),
        destinations=(Destination("pacs", "dicom", host="127.0.0.1", ae_title="PACS"),),
        webhooks=(Webhook("hook", "http://127.0.0.1:9/"),),
        retry=Retry(first_s=5, longest_s=40, refusals=3),
        disk=Disk(max_gb=1, min_free_gb=0),
        http=Http(enabled=False),
    )
    return replace(settings, **given)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.time = 1_760_000_000.0

    def __call__(self) -> float:
        return self.time


class Bench:
    """The parts of the service that hold its state, without workers, network and threads."""

    def __init__(self, settings: ServeSettings, clock: Clock | None = None) -> None:
        self.settings, self.layout, self.clock = settings, Layout(settings.root), clock or Clock()
        self.layout.create()
        self.database = Database(self.layout.database)
        self.queue = Queue(self.database, self.clock)
        self.outbox = Outbox(self.database, settings.retry, self.clock)
        self.disk = DiskBounds(self.layout, self.database, settings.disk)
        self.lines, self.metrics = io.StringIO(), Metrics()
        self.metrics.watch(self.queue, self.outbox, self.disk)
        self.log = Log(self.lines)
        intake = Intake(self.layout, self.queue, self.disk, sop_class_uids(settings.storage.sop_classes))
        self.arrivals = Arrivals(intake, self.metrics, self.log)
        self.jobs = Jobs(settings, self.queue, self.outbox, self.metrics, self.log, self.clock)

    def receive(self, file: Path) -> Any:
        """Take a copy of a file; return why it was refused."""
        copy = self.layout.incoming / f"{uuid.uuid4().hex}.dcm"
        shutil.copyfile(file, copy)
        return self.arrivals.take(copy, "test")

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric; 0 if it has none."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A service without processes."""
    made = Bench(make_settings(tmp_path / "service"))
    yield made
    made.database.close()
