"""Polling of a DICOMweb server for new series: QIDO-RS to find them, WADO-RS to fetch their instances."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from dicomweb_client import DICOMwebClient

from striq.serve.arrivals import Arrivals
from striq.serve.queue import Queue
from striq.serve.senders import web_client, web_errors
from striq.serve.settings import DicomWebSource

STUDY, SERIES, INSTANCE, SOP_CLASS = "0020000D", "0020000E", "00080018", "00080016"
SERIES_INSTANCES = "00201209"  # NumberOfSeriesRelatedInstances


class DicomWebPoller:
    """Fetches new instances from a server.

    Args:
        settings: The server.
        queue: The queue, which knows the instances that were received.
        arrivals: Takes objects.
    """

    def __init__(self, settings: DicomWebSource, queue: Queue, arrivals: Arrivals) -> None:
        self.settings, self.queue, self.arrivals = settings, queue, arrivals
        self._refused: set[str] = set()  # instances, until the service starts again

    def step(self) -> None:
        """Ask once, and fetch what is new.

        Raises:
            UnreachableError: If the server cannot be reached.
            RejectedError: If it refuses to answer.
        """
        settings = self.settings
        with requests.Session() as session:
            client = web_client(settings.url, settings.token_file, settings.timeout_s, session)
            with web_errors():
                for study, series in self._new_series(client):
                    self._fetch(client, study, series)

    def _new_series(self, client: DICOMwebClient) -> Iterator[tuple[str, str]]:
        """Yield study and series of each series that may have new instances."""
        today = datetime.date.today()
        first = today - datetime.timedelta(days=self.settings.days - 1)
        found = client.search_for_series(
            search_filters={"Modality": self.settings.modality, "StudyDate": f"{first:%Y%m%d}-{today:%Y%m%d}"},
            fields=["NumberOfSeriesRelatedInstances"],
            get_remaining=True,
        )
        for one in found:
            study, series, count = _value(one, STUDY), _value(one, SERIES), _value(one, SERIES_INSTANCES)
            if study and series and not (count and self.queue.count_of_series(series) >= int(count)):
                yield study, series

    def _fetch(self, client: DICOMwebClient, study: str, series: str) -> None:
        for one in client.search_for_instances(study, series, get_remaining=True):
            instance, sop_class = _value(one, INSTANCE), _value(one, SOP_CLASS)
            is_accepted = not sop_class or sop_class in self.arrivals.intake.sop_classes
            if instance and is_accepted and instance not in self._refused and not self.queue.has(instance):
                self._take(client, study, series, instance)

    def _take(self, client: DICOMwebClient, study: str, series: str, instance: str) -> None:
        file = self._incoming()
        client.retrieve_instance(study, series, instance).save_as(file, enforce_file_format=True)
        refused = self.arrivals.take(file, self.settings.name, instance)
        if refused is not None and not refused.is_temporary:
            self._refused.add(instance)

    def _incoming(self) -> Path:
        return self.arrivals.intake.layout.incoming / f"{uuid.uuid4().hex}.dcm"


def _value(found: dict[str, Any], tag: str) -> str:
    """Return the first value of a tag in an answer; empty if there is none."""
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])
