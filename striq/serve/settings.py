"""Settings of the service, as its TOML file states them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from striq.serve.schema import setting

LOOPBACK = "127.0.0.1"
PORT = {"minimum": 1, "maximum": 65535}
AE_TITLE = {"minLength": 1, "maxLength": 16, "pattern": r"^[ -\[\]-~]*[!-\[\]-~][ -\[\]-~]*$"}
NAME = {"pattern": "^[A-Za-z0-9_-]{1,40}$"}
URL = {"pattern": "^https?://[^\\s]+$"}
ULTRASOUND = (
    "UltrasoundImageStorage",
    "UltrasoundMultiFrameImageStorage",
    "SecondaryCaptureImageStorage",
    "MultiFrameGrayscaleByteSecondaryCaptureImageStorage",
    "MultiFrameTrueColorSecondaryCaptureImageStorage",
)


@dataclass(frozen=True)
class Tls:
    """Certificates of a connection, PEM files.

    Attributes:
        certificate: Certificate of this program.
        key: Its private key.
        authorities: Certificates that the other program's certificate must be signed by; it must then show one.
    """

    certificate: str = setting(minLength=1)
    key: str = setting(minLength=1)
    authorities: str = setting(minLength=1)


@dataclass(frozen=True)
class Storage:
    """DICOM storage service that takes objects.

    Attributes:
        enabled: Whether there is one.
        host: Address to listen on.
        port: Port to listen on.
        ae_title: AE title that callers must call.
        calling_ae_titles: AE titles of accepted callers; empty for any.
        sop_classes: Keywords of the accepted SOP classes.
        max_associations: Associations at one time.
        idle_s: Seconds of silence after which an association is ended.
        tls: Certificates; without them, connections are not encrypted.
    """

    enabled: bool = setting(True)
    host: str = setting(LOOPBACK, minLength=1)
    port: int = setting(11112, **PORT)
    ae_title: str = setting("STRIQ", **AE_TITLE)
    calling_ae_titles: tuple[str, ...] = setting((), items={"type": "string", **AE_TITLE})
    sop_classes: tuple[str, ...] = setting(ULTRASOUND, minItems=1)
    max_associations: int = setting(50, minimum=1)
    idle_s: float = setting(60.0, exclusiveMinimum=0)
    tls: Tls | None = setting(None)


@dataclass(frozen=True)
class WatchedFolder:
    """Folder whose DICOM files are taken.

    Attributes:
        folder: The folder; subfolders are searched.
        interval_s: Seconds between two looks.
        settle_s: Seconds for which a file must not have changed.
        remove: Whether files are removed once they are taken.
    """

    folder: str = setting(minLength=1)
    interval_s: float = setting(5.0, exclusiveMinimum=0)
    settle_s: float = setting(5.0, minimum=0)
    remove: bool = setting(False)


@dataclass(frozen=True)
class DicomWebSource:
    """DICOMweb server that is asked for new series.

    Attributes:
        name: Name in logs and metrics.
        url: Address of the service, to which ``/studies`` is added.
        interval_s: Seconds between two questions.
        days: Studies of the last days are asked for, today among them.
        modality: Modality of the series.
        token_file: File with a bearer token; empty for none.
        timeout_s: Seconds to wait for an answer.
    """

    name: str = setting(**NAME)
    url: str = setting(**URL)
    interval_s: float = setting(60.0, exclusiveMinimum=0)
    days: int = setting(2, minimum=1)
    modality: str = setting("US", minLength=1, maxLength=16)
    token_file: str = setting("")
    timeout_s: float = setting(60.0, exclusiveMinimum=0)


@dataclass(frozen=True)
class Pool:
    """Worker processes on one device.

    Attributes:
        device: As for ``striq score --device``.
        workers: Number of processes.
        threads: Threads of each; 0 for an equal share of the processors.
    """

    device: str = setting("auto", minLength=1)
    workers: int = setting(1, minimum=1, maximum=256)
    threads: int = setting(0, minimum=0)


@dataclass(frozen=True)
class Scoring:
    """How objects are scored.

    Attributes:
        model: A model.pt, a bundle folder, or "light"; empty for the shipped model.
        plane: Plane that the frames show, or ``auto``.
        threshold: Quality that an accepted frame exceeds; the model's by default.
        policy: Policy of the department, a TOML file; empty for none.
        max_frames_per_cine: Frames scored of a cine at most, evenly spread; 0 for all.
        precision: Precision of the encoder.
        max_seconds: Seconds that one object may take; a worker that takes longer is ended.
        pools: Worker processes by device.
    """

    model: str = setting("")
    plane: str = setting("auto", minLength=1)
    threshold: float | None = setting(None, minimum=0, maximum=1)
    policy: str = setting("")
    max_frames_per_cine: int = setting(0, minimum=0)
    precision: str = setting("float32", enum=["float32", "mixed", "bfloat16", "float16", "auto"])
    max_seconds: float = setting(600.0, exclusiveMinimum=0)
    pools: tuple[Pool, ...] = setting((Pool(),), minItems=1)


@dataclass(frozen=True)
class Reports:
    """What is written about a study.

    Attributes:
        quiet_s: Seconds without a new object after which a study is complete.
        key_objects: Whether a key object selection names the best accepted frame of each plane.
        pages: Whether an HTML page, which shows frames, is written.
        explain: Whether the page explains the best and the worst frame.
        operators: Operators in the Parquet files: ``hashed``, ``plain`` or ``none``.
    """

    quiet_s: float = setting(60.0, minimum=0)
    key_objects: bool = setting(True)
    pages: bool = setting(True)
    explain: bool = setting(True)
    operators: str = setting("hashed", enum=["hashed", "plain", "none"])


@dataclass(frozen=True)
class Destination:
    """Where structured reports and key object selections are sent.

    Attributes:
        name: Name in logs and metrics.
        kind: ``dicom`` (C-STORE) or ``dicomweb`` (STOW-RS).
        host: Of ``dicom``: address.
        port: Of ``dicom``: port.
        ae_title: Of ``dicom``: AE title of the destination.
        calling_ae_title: Of ``dicom``: AE title of this program.
        tls: Of ``dicom``: certificates; without them, the connection is not encrypted.
        url: Of ``dicomweb``: address of the service, to which ``/studies`` is added.
        token_file: Of ``dicomweb``: file with a bearer token; empty for none.
        timeout_s: Seconds to wait for an answer.
    """

    name: str = setting(**NAME)
    kind: str = setting(enum=["dicom", "dicomweb"])
    host: str = setting("")
    port: int = setting(104, **PORT)
    ae_title: str = setting("", maxLength=16)
    calling_ae_title: str = setting("STRIQ", **AE_TITLE)
    tls: Tls | None = setting(None)
    url: str = setting("")
    token_file: str = setting("")
    timeout_s: float = setting(30.0, exclusiveMinimum=0)


@dataclass(frozen=True)
class Webhook:
    """Address that is told by POST when a study is complete.

    Attributes:
        name: Name in logs and metrics.
        url: Address.
        token_file: File with a bearer token; empty for none.
        timeout_s: Seconds to wait for an answer.
    """

    name: str = setting(**NAME)
    url: str = setting(**URL)
    token_file: str = setting("")
    timeout_s: float = setting(10.0, exclusiveMinimum=0)


@dataclass(frozen=True)
class Retry:
    """When sending is tried again.

    Attributes:
        first_s: Seconds after the first failure; doubled after each further one.
        longest_s: Seconds at most.
        refusals: Refusals by the destination after which a report becomes a dead letter. A destination that cannot be
            reached is tried without end.
    """

    first_s: float = setting(5.0, exclusiveMinimum=0)
    longest_s: float = setting(900.0, exclusiveMinimum=0)
    refusals: int = setting(10, minimum=1)


@dataclass(frozen=True)
class Disk:
    """Bounds of the disk space that received objects take.

    Attributes:
        max_gb: Gigabytes (10^9 bytes) of received objects.
        min_free_gb: Gigabytes that stay free on the disk.
    """

    max_gb: float = setting(100.0, exclusiveMinimum=0)
    min_free_gb: float = setting(2.0, minimum=0)


@dataclass(frozen=True)
class Retention:
    """How long pages and Parquet files are kept, counted from the last object of a study; 0 for ever.

    Attributes:
        pages_days: Days for which the page of a study is kept.
        parquet_days: Days for which a Parquet file is kept.
    """

    pages_days: float = setting(0.0, minimum=0)
    parquet_days: float = setting(0.0, minimum=0)


@dataclass(frozen=True)
class Http:
    """Where ``/health`` and ``/metrics`` are served.

    Attributes:
        enabled: Whether they are.
        host: Address to listen on; other than loopback only with a token.
        port: Port to listen on.
        token_file: File with the bearer token that requests must carry; empty for none.
    """

    enabled: bool = setting(True)
    host: str = setting(LOOPBACK, minLength=1)
    port: int = setting(9114, **PORT)
    token_file: str = setting("")


@dataclass(frozen=True)
class ServeSettings:
    """All settings of the service.

    Attributes:
        folder: Folder of the queue, the received objects, pages and Parquet files.
        storage: DICOM storage service.
        watch: Watched folders.
        dicomweb: DICOMweb servers that are asked for new series.
        scoring: How objects are scored.
        reports: What is written about a study.
        destinations: Where reports are sent.
        webhooks: Addresses that are told of complete studies.
        retry: When sending is tried again.
        disk: Bounds of disk space.
        retention: How long pages and Parquet files are kept.
        http: Where health and metrics are served.
    """

    folder: str = setting(minLength=1)
    storage: Storage = setting(Storage())
    watch: tuple[WatchedFolder, ...] = setting(())
    dicomweb: tuple[DicomWebSource, ...] = setting(())
    scoring: Scoring = setting(Scoring())
    reports: Reports = setting(Reports())
    destinations: tuple[Destination, ...] = setting(())
    webhooks: tuple[Webhook, ...] = setting(())
    retry: Retry = setting(Retry())
    disk: Disk = setting(Disk())
    retention: Retention = setting(Retention())
    http: Http = setting(Http())

    @property
    def root(self) -> Path:
        """The folder as a path."""
        return Path(self.folder)
