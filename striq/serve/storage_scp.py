"""DICOM storage service: answers C-ECHO, and C-STORE once the object is on disk and in the queue."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, _config, evt, sop_class
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from striq.errors import StriqError
from striq.serve.arrivals import Arrivals
from striq.serve.intake import Reason
from striq.serve.settings import Storage
from striq.serve.tls import ServerContext

ORIGIN = "storage"
SUCCESS = 0x0000
STATUS = {  # of a refused object, DICOM PS3.4, table B.2-1
    Reason.DISK_FULL: 0xA700,  # out of resources
    Reason.MISMATCH: 0xA900,  # data set does not match SOP class
    Reason.SOP_CLASS: 0xA900,
    Reason.MALFORMED: 0xC000,  # cannot understand
}
_config.STORE_RECV_CHUNKED_DATASET = True  # objects go to disk while they arrive, so that memory stays small


def sop_class_uids(keywords: tuple[str, ...]) -> frozenset[str]:
    """Return the UIDs of SOP classes by their keywords."""
    return frozenset(str(getattr(sop_class, keyword)) for keyword in keywords)


class StorageScp:
    """The storage service.

    Args:
        settings: Its settings.
        arrivals: Takes objects.
    """

    def __init__(self, settings: Storage, arrivals: Arrivals) -> None:
        self.settings, self.arrivals = settings, arrivals
        self.entity = self._entity()
        self._server: Any = None

    def _entity(self) -> AE:
        entity = AE(ae_title=self.settings.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(self.settings.calling_ae_titles)
        entity.maximum_associations = self.settings.max_associations
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = self.settings.idle_s
        entity.add_supported_context(Verification)
        for uid in sorted(sop_class_uids(self.settings.sop_classes)):
            entity.add_supported_context(uid, ALL_TRANSFER_SYNTAXES)
        return entity

    def start(self) -> None:
        """Begin to listen.

        Raises:
            StriqError: If the address is in use, or the certificates cannot be used.
        """
        metrics = self.arrivals.metrics.associations
        context: Any = None
        if self.settings.tls is not None:
            context = ServerContext(self.settings.tls, lambda: metrics.labels("tls").inc())
        address = (self.settings.host, self.settings.port)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_REJECTED, lambda event: metrics.labels("rejected").inc()),
            (evt.EVT_ABORTED, lambda event: metrics.labels("aborted").inc()),
        ]
        try:
            self._server = self.entity.start_server(
                address,
                block=False,
                ssl_context=context,
                evt_handlers=handlers,
            )
        except OSError as error:
            msg = f"storage.port: cannot listen on {address[0]}:{address[1]} ({error.strerror}). Choose another port."
            raise StriqError(msg) from error

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return self._server.server_address[1]

    @property
    def is_alive(self) -> bool:
        """Whether it listens."""
        return self._server is not None and self._server.socket.fileno() >= 0

    def stop(self) -> None:
        """End all associations and stop listening."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: Any) -> int:
        received = Path(event.dataset_path)
        file = self.arrivals.intake.layout.incoming / f"{uuid.uuid4().hex}.dcm"
        try:
            shutil.move(received, file)
        except OSError:
            return STATUS[Reason.DISK_FULL]
        refused = self.arrivals.take(file, ORIGIN, str(event.request.AffectedSOPInstanceUID))
        return SUCCESS if refused is None else STATUS[refused.reason]
