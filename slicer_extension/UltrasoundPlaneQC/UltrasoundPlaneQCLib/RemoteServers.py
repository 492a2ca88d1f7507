"""Servers that the user allows to be sent frames, and questions to them; nothing is sent to any other server."""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from striq.service.http_client import Server

CONSENTS = "UltrasoundPlaneQC/allowedServers"  # in the settings of the application: never in a scene


class ServerProblem(RuntimeError):
    """A server may not or cannot be used."""


def allowedServers() -> list[str]:
    """Return the addresses that the user allows."""
    stored = slicer.app.userSettings().value(CONSENTS)
    return list(json.loads(stored)) if stored else []


def allow(address: str) -> None:
    """Keep the user's consent to send frames to a server."""
    _store(sorted({*allowedServers(), normalized(address)}))


def revoke(address: str) -> None:
    """Forget the user's consent."""
    _store(sorted({*allowedServers()} - {normalized(address)}))


def isAllowed(address: str) -> bool:
    """Return whether frames may be sent to a server."""
    return normalized(address) in allowedServers()


def normalized(address: str) -> str:
    """Return an address in the form in which it is kept: another port is another server."""
    return address.strip().rstrip("/").lower()


def _store(addresses: list[str]) -> None:
    slicer.app.userSettings().setValue(CONSENTS, json.dumps(addresses))


def serverOf(address: str, token: str, certificate: str) -> Server:
    """Return a server that may be used.

    Raises:
        ServerProblem: If the user has not allowed it, or the address or the token cannot be used.
    """
    if not isAllowed(address):
        raise ServerProblem(_("{address} is not allowed. Tick the box to allow it.").format(address=address))
    try:
        from striq.service.http_client import Server, ServerError
    except ImportError as error:
        raise ServerProblem(
            _("The installed striq does not match this extension ({error}). Update both.").format(error=error)
        ) from error
    try:
        return Server(normalized(address), token.strip(), Path(certificate) if certificate.strip() else None)
    except ServerError as error:
        raise ServerProblem(str(error)) from error


class Question:
    """Asks a server for its devices, in a thread, so that the window does not wait.

    Args:
        server: An allowed server.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._answer: queue.SimpleQueue[dict[str, Any] | Exception] = queue.SimpleQueue()
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        from striq.service.http_client import describe_server

        try:
            self._answer.put(describe_server(self.server))
        except Exception as error:  # shown to the user
            self._answer.put(error)

    def poll(self) -> dict[str, Any] | None:
        """Return what the server says about itself, ``None`` before it has answered.

        Raises:
            ServerProblem: If it cannot be reached, refuses the token, or speaks another protocol.
        """
        from .WorkerClient import PROTOCOL

        if self._answer.empty():
            return None
        answer = self._answer.get()
        if isinstance(answer, Exception):
            raise ServerProblem(str(answer)) from answer
        if answer.get("protocol") != PROTOCOL:
            raise ServerProblem(
                _("The striq of the server speaks protocol {theirs}, this extension {ours}. Update both.").format(
                    theirs=answer.get("protocol"), ours=PROTOCOL
                )
            )
        return answer
