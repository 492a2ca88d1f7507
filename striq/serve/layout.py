"""Paths in the folder of the service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths in the folder of the service.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def database(self) -> Path:
        """The queue."""
        return self.root / "queue.sqlite"

    @property
    def lock(self) -> Path:
        """The file that the running service locks."""
        return self.root / "service.lock"

    @property
    def operator_key(self) -> Path:
        """The key of the operators' pseudonyms."""
        return self.root / "operator.key"

    @property
    def incoming(self) -> Path:
        """Files that are being received."""
        return self.root / "incoming"

    @property
    def objects(self) -> Path:
        """Received objects."""
        return self.root / "objects"

    @property
    def results(self) -> Path:
        """Scores of received objects."""
        return self.root / "results"

    @property
    def outbox(self) -> Path:
        """Reports to be sent."""
        return self.root / "outbox"

    @property
    def pages(self) -> Path:
        """HTML pages, one per study."""
        return self.root / "pages"

    @property
    def audit(self) -> Path:
        """Parquet files."""
        return self.root / "audit"

    def create(self) -> None:
        """Create the folders; only their owner may read them."""
        for folder in (self.root, self.incoming, self.objects, self.results, self.outbox, self.pages, self.audit):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def source(self, study_uid: str, instance_uid: str, digest: str) -> Path:
        """Return the path of a received object; UIDs are checked before, so they are safe names."""
        return self.objects / study_uid / f"{instance_uid}_{digest[:8]}.dcm"

    def result(self, number: int) -> Path:
        """Return the path of the scores of an object."""
        return self.results / f"{number}.parquet"

    def page(self, study_uid: str) -> Path:
        """Return the path of the page of a study."""
        return self.pages / f"{study_uid}.html"

    def reports(self, study_uid: str, revision: int) -> Path:
        """Return the folder of the reports of a revision of a study."""
        return self.outbox / study_uid / str(revision)
