"""Senders: C-STORE, STOW-RS and webhooks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pynetdicom import AE
from pynetdicom.sop_class import ComprehensiveSRStorage, KeyObjectSelectionDocumentStorage  # type: ignore[attr-defined]

from striq.bearer_tokens import authorization
from striq.serve.settings import Destination, Webhook
from striq.serve.tls import client_context

WARNINGS = range(0xB000, 0xC000)
OUT_OF_RESOURCES = range(0xA700, 0xA800)
LATER = (401, 403, 404, 408, 429, 502, 503, 504)  # not the fault of an item: the address, the token, a busy server
Send = Callable[[Path, str], None]


class UnreachableError(Exception):
    """The destination cannot be reached or takes nothing now; the item is tried again without end."""


class RejectedError(Exception):
    """The destination refuses an item."""


class Sender(Protocol):
    """What sends to one destination."""

    def session(self) -> AbstractContextManager[Send]:
        """Return a connection: a function that sends a file with an identifier.

        Raises:
            UnreachableError: If there is no connection.
        """
        ...


class DicomSender:
    """Sends by C-STORE.

    Args:
        destination: Where to.
    """

    def __init__(self, destination: Destination) -> None:
        self.destination = destination

    @contextmanager
    def session(self) -> Generator[Send, None, None]:
        """Open an association; see :class:`Sender`."""
        entity, to = AE(ae_title=self.destination.calling_ae_title), self.destination
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = to.timeout_s
        for uid in (ComprehensiveSRStorage, KeyObjectSelectionDocumentStorage):
            entity.add_requested_context(uid)
        tls: Any = None if to.tls is None else (client_context(to.tls), to.host)
        association = entity.associate(to.host, to.port, ae_title=to.ae_title, tls_args=tls)
        if not association.is_established:
            reason = "the association was rejected" if association.is_rejected else "no connection"
            raise UnreachableError(reason)
        try:
            yield lambda path, uid: self._send(association, path)
        finally:
            if association.is_established:
                association.release()

    def _send(self, association: Any, path: Path) -> None:
        if not association.is_established:
            msg = "the association ended"
            raise UnreachableError(msg)
        try:
            answer = association.send_c_store(pydicom.dcmread(path))
        except ValueError as error:  # the destination has not accepted the SOP class
            msg = "the SOP class is not accepted"
            raise RejectedError(msg) from error
        except RuntimeError as error:  # ended meanwhile
            msg = "the association ended"
            raise UnreachableError(msg) from error
        if "Status" not in answer:
            msg = "no answer"
            raise UnreachableError(msg)
        status = answer.Status
        if status in OUT_OF_RESOURCES:
            msg = f"status 0x{status:04X}, out of resources"
            raise UnreachableError(msg)
        if status != 0 and status not in WARNINGS:
            msg = f"status 0x{status:04X}"
            raise RejectedError(msg)


class DicomWebSender:
    """Sends by STOW-RS.

    Args:
        destination: Where to.
    """

    def __init__(self, destination: Destination) -> None:
        self.destination = destination

    @contextmanager
    def session(self) -> Generator[Send, None, None]:
        """Open a session; see :class:`Sender`."""
        with requests.Session() as session:
            client = web_client(self.destination.url, self.destination.token_file, self.destination.timeout_s, session)
            yield lambda path, uid: self._send(client, path)

    def _send(self, client: DICOMwebClient, path: Path) -> None:
        with web_errors():
            answer = client.store_instances([pydicom.dcmread(path)])
        failed = answer.get("FailedSOPSequence")
        if failed:
            msg = f"status 0x{int(failed[0].get('FailureReason', 0)):04X}"
            raise RejectedError(msg)


class WebhookSender:
    """Sends messages by POST.

    Args:
        webhook: Where to.
    """

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook

    @contextmanager
    def session(self) -> Generator[Send, None, None]:
        """Open a session; see :class:`Sender`."""
        with requests.Session() as session:
            session.headers.update({"Content-Type": "application/json", **authorization(self.webhook.token_file)})
            yield lambda path, uid: self._send(session, path, uid)

    def _send(self, session: requests.Session, path: Path, uid: str) -> None:
        with web_errors():
            answer = session.post(
                self.webhook.url,
                data=path.read_bytes(),
                headers={"Idempotency-Key": uid},
                timeout=self.webhook.timeout_s,
                allow_redirects=False,
            )
            answer.raise_for_status()
        if not answer.ok or answer.is_redirect:
            msg = f"HTTP status {answer.status_code}"
            raise RejectedError(msg)


@contextmanager
def web_errors() -> Generator[None, None, None]:
    """Raise errors of HTTP as those of senders; their text is left out, because it may hold an address with UIDs."""
    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        kind = UnreachableError if status in LATER else RejectedError
        msg = f"HTTP status {status}"
        raise kind(msg) from error
    except requests.RequestException as error:
        raise UnreachableError(type(error).__name__) from error


def web_client(url: str, token_file: str, timeout_s: float, session: requests.Session) -> DICOMwebClient:
    """Return a client of a DICOMweb service, which does not try again by itself."""
    client = DICOMwebClient(url, session=session, headers=authorization(token_file), timeout=timeout_s)
    client.set_http_retry_params(retry=False)
    return client
