"""Orthanc with the settings for deployment sends ultrasound to STRIQ, and no report."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.deploy.test_deploy import DEPLOY
from tests.serve.orthanc import Orthanc, free_port, missing, running
from tests.ultrasound_files import write_ultrasound


class Deployed(Orthanc):
    """An Orthanc with the settings in ``deploy``, on ports and in folders of the test."""

    def _write_configuration(self, striq_port: int) -> None:
        configuration = json.loads((DEPLOY / "orthanc/orthanc.json").read_text(encoding="utf-8"))
        configuration |= {
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
            "DicomModalities": {"striq": ["STRIQ", "127.0.0.1", striq_port]},
            "LuaScripts": [str(DEPLOY / "orthanc/route.lua")],
            "Plugins": [],
        }
        (self.folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")


@pytest.mark.skipif(bool(missing()), reason=missing() or "Orthanc is there")
def test_ultrasound_is_routed_and_reports_are_not(tmp_path: Path) -> None:
    from pynetdicom import AE, AllStoragePresentationContexts, evt

    got: list[str] = []

    def store(event: evt.Event) -> int:
        got.append(str(event.dataset.Modality))
        return 0

    entity, port = AE("STRIQ"), free_port()
    entity.supported_contexts = AllStoragePresentationContexts
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        with running(Deployed(tmp_path / "orthanc", port)) as orthanc:
            file = write_ultrasound(tmp_path / "a.dcm", np.zeros((1, 96, 96), np.uint8), series="1.2.3", study="1.2")
            report = pydicom.dcmread(file)
            report.Modality, report.SeriesInstanceUID, report.SOPInstanceUID = "SR", "1.2.4", "1.2.4.1"
            report.file_meta.MediaStorageSOPInstanceUID = "1.2.4.1"
            report.save_as(tmp_path / "report.dcm")
            for one in (tmp_path / "report.dcm", file):
                orthanc.upload(one)
            until = time.monotonic() + 30
            while not got and time.monotonic() < until:
                time.sleep(0.05)
    finally:
        server.shutdown()
    assert got == ["US"]
