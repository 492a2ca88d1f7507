"""TLS of connections: both sides show a certificate that the other's authorities have signed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from striq.errors import StriqError, one_line
from striq.serve.settings import Tls

HANDSHAKE_S = 5.0  # during which a caller keeps others waiting


class ServerContext:
    """What pynetdicom wraps accepted sockets with: a caller that does not begin the handshake is dropped.

    Args:
        tls: Certificates.
        on_failure: Called for each caller that is dropped.

    Raises:
        StriqError: If they cannot be used.
    """

    def __init__(self, tls: Tls, on_failure: Callable[[], object]) -> None:
        self._context = _context(ssl.Purpose.CLIENT_AUTH, tls)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._on_failure = on_failure

    def wrap_socket(self, client: socket.socket, *, server_side: bool) -> ssl.SSLSocket:
        """Return an accepted socket after the handshake.

        Raises:
            OSError: If there was none.
        """
        client.settimeout(HANDSHAKE_S)
        try:
            wrapped = self._context.wrap_socket(client, server_side=server_side)
        except OSError:
            client.close()
            self._on_failure()
            raise
        wrapped.settimeout(None)
        return wrapped


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return the context of connections to a server, whose certificate must be for its host.

    Raises:
        StriqError: If the certificates cannot be used.
    """
    return _context(ssl.Purpose.SERVER_AUTH, tls)


def _context(purpose: ssl.Purpose, tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(purpose, cafile=tls.authorities)
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # ssl.SSLError among them
        msg = f"{tls.certificate}: expected a certificate, its key and authorities (PEM files), got: {one_line(error)}."
        raise StriqError(msg) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
