from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from striq.serve.disk import DiskBounds
from striq.serve.settings import Disk, Tls
from striq.serve.storage_scp import StorageScp
from striq.serve.tls import client_context
from tests.serve.certificates import make_authority, make_tls
from tests.serve.conftest import PATIENT, Bench, make_settings, small_object

VERIFICATION = "1.2.840.10008.1.1"
SUCCESS, OUT_OF_RESOURCES, NOT_UNDERSTOOD, MISMATCH = 0x0000, 0xA700, 0xC000, 0xA900
# pynetdicom leaves sockets and files of failed associations to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module", autouse=True)
def _collect_garbage() -> Iterator[None]:
    yield
    gc.collect()


@contextmanager
def listening(bench: Bench, **settings: Any) -> Iterator[StorageScp]:
    scp = StorageScp(replace(bench.settings.storage, **settings), bench.arrivals)
    scp.start()
    try:
        yield scp
    finally:
        scp.stop()


@pytest.fixture
def scp(bench: Bench) -> Iterator[StorageScp]:
    with listening(bench) as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StorageScp, Bench]]:
    """One service for the tests that send it what it refuses."""
    bench = Bench(make_settings(tmp_path_factory.mktemp("shared") / "service"))
    with listening(bench) as found:
        yield found, bench
    bench.database.close()


def associate(scp: StorageScp, *, caller: str = "SENDER", called: str = "STRIQ", tls: Any = None) -> Any:
    entity = AE(ae_title=caller)
    entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = 5
    for uid in (VERIFICATION, UltrasoundMultiFrameImageStorage, CTImageStorage):
        entity.add_requested_context(uid, ExplicitVRLittleEndian)
    return entity.associate("127.0.0.1", scp.port, ae_title=called, tls_args=tls)


def store(scp: StorageScp, dataset: Dataset) -> int:
    association = associate(scp)
    assert association.is_established
    try:
        return association.send_c_store(dataset).Status
    finally:
        association.release()


def assert_lives(scp: StorageScp, bench: Bench) -> None:
    """Check that the service still takes objects and answers."""
    association = associate(scp)
    assert association.send_c_echo().Status == SUCCESS
    assert association.send_c_store(small_object(77, 77)).Status == SUCCESS
    association.release()
    assert bench.queue.has("1.2.77.1.77")


def test_an_object_is_on_disk_and_in_the_queue_once_it_is_acknowledged(scp: StorageScp, bench: Bench) -> None:
    for _ in range(2):
        assert store(scp, small_object()) == SUCCESS
    job = bench.queue.take()
    assert job is not None
    assert bench.layout.source(job.study_uid, job.instance_uid, job.digest).is_file()
    assert bench.queue.take() is None
    assert bench.metric("striq_objects_duplicate_total", origin="storage") == 1
    assert not list(bench.layout.incoming.iterdir())


def test_many_objects_come_over_one_association(scp: StorageScp, bench: Bench) -> None:
    association = associate(scp)
    assert {association.send_c_store(small_object(1, number)).Status for number in range(1, 6)} == {SUCCESS}
    association.release()
    assert bench.queue.counts()["waiting"] == 5


def test_wrong_ae_titles_are_rejected(scp: StorageScp, bench: Bench) -> None:
    for names in ({"caller": "OTHER"}, {"called": "OTHER"}):
        association = associate(scp, **names)
        assert association.is_rejected
    wait_for(lambda: bench.metric("striq_associations_refused_total", reason="rejected") == 2)
    assert_lives(scp, bench)


def test_any_caller_is_accepted_where_none_is_named(bench: Bench) -> None:
    with listening(bench, calling_ae_titles=()) as scp:
        association = associate(scp, caller="ANYONE")
        assert association.is_established
        association.release()


def test_another_sop_class_is_refused(scp: StorageScp, bench: Bench) -> None:
    association = associate(scp)
    image = small_object(SOPClassUID=CTImageStorage)
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    with pytest.raises(ValueError, match="No presentation context"):
        association.send_c_store(image)
    association.release()
    assert_lives(scp, bench)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"StudyInstanceUID": ""}, NOT_UNDERSTOOD, "malformed"),
        ({"SeriesInstanceUID": "../../etc"}, NOT_UNDERSTOOD, "malformed"),
        ({"StudyInstanceUID": "1." + "2" * 80}, NOT_UNDERSTOOD, "malformed"),
        ({"SOPInstanceUID": "1.9.9"}, MISMATCH, "mismatch"),
        ({"SOPClassUID": CTImageStorage}, MISMATCH, "sop_class"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Invalid value for VR UI|.*value length:UserWarning")
def test_a_malformed_object_is_refused(
    shared: tuple[StorageScp, Bench], change: dict[str, str], status: int, reason: str
) -> None:
    scp, bench = shared
    before, queued = num_refused(bench, reason), bench.queue.counts()
    image = small_object()
    for keyword, value in change.items():
        setattr(image, keyword, value)
    assert send_bytes(scp, encoded(image)) == status
    assert num_refused(bench, reason) == before + 1
    assert bench.queue.counts() == queued
    assert not list(bench.layout.incoming.iterdir())
    assert_lives(scp, bench)


@pytest.mark.parametrize("content", [b"\0", b"no data set at all" * 20, b"\x08\x00\x16\x00UI\xff\xff"])
def test_bytes_that_are_no_data_set_are_refused(shared: tuple[StorageScp, Bench], content: bytes) -> None:
    scp, bench = shared
    assert send_bytes(scp, content) == NOT_UNDERSTOOD
    assert_lives(scp, bench)


def test_a_full_disk_is_told_by_its_own_status(scp: StorageScp, bench: Bench) -> None:
    bench.arrivals.intake.disk = DiskBounds(bench.layout, bench.database, Disk(max_gb=1e-9))
    assert store(scp, small_object()) == OUT_OF_RESOURCES
    assert bench.queue.counts()["waiting"] == 0
    bench.arrivals.intake.disk = bench.disk
    assert_lives(scp, bench)


def test_an_aborted_association_leaves_the_service_alive(scp: StorageScp, bench: Bench) -> None:
    association = associate(scp)
    association.send_c_store(small_object())
    association.abort()
    wait_for(lambda: bench.metric("striq_associations_refused_total", reason="aborted") == 1)
    with socket.create_connection(("127.0.0.1", scp.port)) as half:
        half.sendall(b"\x01\x00\x00\x00")  # a header that ends in the middle
    with socket.create_connection(("127.0.0.1", scp.port)) as other:
        other.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert_lives(scp, bench)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_authority(tmp_path_factory.mktemp("certificates") / "own")


def tls_args(tls: Tls) -> Any:
    return client_context(tls), "127.0.0.1"


def test_tls_takes_only_callers_whose_certificate_is_signed(bench: Bench, authority: Path, tmp_path: Path) -> None:
    own = make_tls(authority, "striq")
    stranger = replace(make_tls(make_authority(tmp_path / "other"), "stranger"), authorities=str(authority))
    with listening(bench, tls=own) as scp:
        assert not associate(scp).is_established  # without encryption
        assert not associate(scp, tls=tls_args(stranger)).is_established
        wait_for(lambda: bench.metric("striq_associations_refused_total", reason="tls") == 2)
        association = associate(scp, tls=tls_args(make_tls(authority, "scanner")))
        assert association.send_c_store(small_object()).Status == SUCCESS
        association.release()
    with listening(bench) as plain:
        assert not associate(plain, tls=tls_args(own)).is_established
        assert_lives(plain, bench)


def test_a_caller_that_says_nothing_does_not_keep_others_out(
    bench: Bench, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striq.serve.tls.HANDSHAKE_S", 0.3)
    own = make_tls(authority, "striq")
    with listening(bench, tls=own) as scp, socket.create_connection(("127.0.0.1", scp.port)):
        association = associate(scp, tls=tls_args(own))
        assert association.is_established
        association.release()


def test_the_log_names_no_patient(scp: StorageScp, bench: Bench) -> None:
    store(scp, small_object())
    send_bytes(scp, encoded(small_object(SOPInstanceUID="1.9.9")))
    assert bench.lines.getvalue()
    assert PATIENT.split("^")[0] not in bench.lines.getvalue()
    assert "4711" not in bench.lines.getvalue()


def num_refused(bench: Bench, reason: str) -> float:
    return bench.metric("striq_objects_refused_total", origin="storage", reason=reason)


def encoded(image: Dataset) -> bytes:
    from pynetdicom.dsutils import encode

    content = encode(image, False, True)
    assert content is not None
    return content


def send_bytes(scp: StorageScp, content: bytes) -> int:
    """Send bytes as an object, which no honest sender would, and return the status."""
    from io import BytesIO

    association = associate(scp)
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.1.1.1"
    request.DataSet = BytesIO(content)
    context = next(
        one.context_id
        for one in association.accepted_contexts
        if one.abstract_syntax == UltrasoundMultiFrameImageStorage
    )
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    return answer.Status


def wait_for(condition: Any, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
