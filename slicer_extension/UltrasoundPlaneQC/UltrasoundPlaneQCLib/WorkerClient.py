"""Client of the scoring process in Slicer: the client of the striq package, with Slicer's names and messages."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from striq.service.client import ServiceClient
    from striq.service.http_client import Server

PROTOCOL = 2  # of the scoring process, that this extension is written for
STOP_SECONDS = 0.5  # the window waits so long, at most twice, before the process is ended by force


class WorkerError(RuntimeError):
    """The scoring process cannot start, or has ended on its own."""


class WorkerClient:
    """One scoring process with its model loaded, for stored cines and live streams alike.

    It is used from the main thread and never waits for an answer. striq is imported by :meth:`start`, because the
    window opens before striq is installed. ``slicer.util.launchConsoleProcess`` cannot start the process: it gives no
    access to the input of the process, which takes many commands.

    Args:
        arguments: Program and arguments; by default Slicer's Python with ``striq.service``.
        server: Runs the process instead of this computer.
    """

    def __init__(self, arguments: Sequence[str] | None = None, server: Server | None = None) -> None:
        self.server = server
        self._arguments = arguments or [shutil.which("PythonSlicer") or sys.executable, "-m", "striq.service"]
        self._client: ServiceClient | None = None

    @property
    def processId(self) -> int | None:
        """Number of the process, ``None`` if there is none."""
        return None if self._client is None else self._client.pid

    def isRunning(self) -> bool:
        """Return whether the process takes commands."""
        return self._client is not None and self._client.is_running

    def start(self) -> None:
        """Start the process unless it is running.

        Raises:
            WorkerError: If it cannot be started.
        """
        if self._client is None:
            self._client = _makeClient(self._arguments, self.server)
        with _translatedErrors():
            self._client.start()

    def send(self, command: str, **details: Any) -> int:
        """Send a command and return its number; ``poll`` with the number gives the answers.

        Raises:
            WorkerError: If the process is not running.
        """
        if self._client is None:
            raise WorkerError(_("The scoring process has not been started."))
        with _translatedErrors():
            return self._client.send(command, **details)

    def poll(self, *numbers: int | None) -> list[dict[str, Any]]:
        """Return the answers to some commands that have arrived; answers to others wait for whoever polls for them.

        Raises:
            WorkerError: If the process has ended on its own; once for each command.
        """
        if self._client is None:
            return []
        with _translatedErrors():
            return self._client.poll(*numbers)

    def forget(self, *numbers: int | None) -> None:
        """Drop all further answers to some commands."""
        if self._client is not None:
            self._client.forget(*numbers)

    def lastWords(self) -> str:
        """Return what the process wrote to its standard error."""
        return "" if self._client is None else self._client.stderr_text()

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._client is not None:
            self._client.stop(STOP_SECONDS)


def _makeClient(arguments: Sequence[str], server: Server | None) -> ServiceClient:
    try:
        from striq.service.client import ServiceClient
        from striq.service.http_client import RemoteProcess
    except ImportError as error:
        raise WorkerError(
            _("The installed striq does not match this extension ({error}). Update both.").format(error=error)
        ) from error
    if server is None:
        return ServiceClient(arguments, protocol=PROTOCOL)
    return ServiceClient([], protocol=PROTOCOL, launch=lambda: RemoteProcess(server))


@contextmanager
def _translatedErrors() -> Iterator[None]:
    """Raise errors of the client as ``WorkerError``, in the language of the user."""
    from striq.service.process import EndedError, ProtocolError, ServiceError, StartError

    try:
        yield
    except StartError as error:
        raise WorkerError(
            _("The scoring process cannot start: {error} Reinstall the extension.").format(error=error)
        ) from error
    except EndedError as error:
        logging.exception("Last lines of the scoring process:\n%s", "\n".join(error.last_lines))
        raise WorkerError(
            _("The scoring process ended unexpectedly: {reason}. See the application log for details.").format(
                reason=error.reason
            )
        ) from error
    except ProtocolError as error:
        raise WorkerError(
            _("The installed striq {version} speaks protocol {theirs}, this extension {ours}. Update both.").format(
                version=error.version, theirs=error.theirs, ours=error.ours
            )
        ) from error
    except ServiceError as error:
        raise WorkerError(str(error)) from error


class Scratch:
    """A temporary folder for files exchanged with the scoring process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="striq-", ignore_cleanup_errors=True)
        self.path = Path(self._folder.name)

    def file(self, name: str) -> Path:
        """Return the path of a file in the folder."""
        return self.path / name

    def discard(self, path: Path) -> None:
        """Remove a file. On Windows a file that is still open elsewhere is removed later, with the folder."""
        try:
            path.unlink()
        except OSError:
            logging.debug("%s is removed later.", path)

    def remove(self) -> None:
        """Remove the folder and the files in it."""
        self._folder.cleanup()
