"""Installation of what scoring needs, in two steps: say what and how much, then install it."""

from __future__ import annotations

import importlib
import json
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from slicer.i18n import tr as _

from .Dependencies import TORCH_REQUIREMENT, DependencyError, isInstalled
from .PipProcess import PipProcess
from .WorkerClient import Scratch

MEGABYTE, SIZE_SECONDS, AT_A_TIME = 1e6, 5.0, 8
CHECKING, READY, INSTALLING, DONE, FAILED, IDLE = "checking", "ready", "installing", "done", "failed", "idle"
REMEDIES = (  # what pip says, what helps
    ("No matching distribution|Could not find a version", "missing"),
    ("NewConnectionError|Temporary failure|Could not fetch URL|getaddrinfo|Max retries|ProxyError", "network"),
    ("No space left", "space"),
    ("Permission denied|Access is denied", "permission"),
)


@dataclass(frozen=True)
class Part:
    """One package that is to be installed.

    Attributes:
        name: Name.
        version: Version.
        numBytes: Size of its file; ``None`` if unknown.
    """

    name: str
    version: str
    numBytes: int | None


def requirements(file: Path, source: str) -> list[str]:
    """Return the arguments of ``pip install`` for what scoring needs.

    Args:
        file: The module's ``requirements.txt``.
        source: Folder of wheels for a computer without a network, path or address of a wheel of striq, or empty: then
            the checkout that the module lies in, or else the package index.

    Raises:
        DependencyError: If the source is neither.
    """
    wanted = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    name = re.split(r"[><=! ]", wanted[0])[0]  # with its extras
    if source.endswith(".whl"):
        isAddress = urlsplit(source).scheme in ("http", "https", "file")
        if not isAddress and not Path(source).is_file():
            raise DependencyError(_("{path}: there is no such wheel. Choose a file that exists.").format(path=source))
        return [f"{name} @ {source if isAddress else Path(source).absolute().as_uri()}"]
    if source:
        if not Path(source).is_dir() or not list(Path(source).glob("*.whl")):
            raise DependencyError(
                _("{path}: expected a folder with wheels, a wheel, or the address of a wheel.").format(path=source)
            )
        torch = [] if isInstalled("torch") else [f"torch{TORCH_REQUIREMENT}"]
        return ["--no-index", "--find-links", source, *torch, *wanted]
    checkout = checkoutOf(file)
    return wanted if checkout is None else [f"{checkout}{name[name.index('[') :] if '[' in name else ''}"]


def checkoutOf(file: Path) -> Path | None:
    """Return the checkout of striq that a file lies in; ``None`` if it lies in an installed extension."""
    for folder in file.absolute().parents:
        project = folder / "pyproject.toml"
        if project.is_file() and '\nname = "striq"' in project.read_text(encoding="utf-8"):
            return folder
    return None


class Installation:
    """Finds out what is to be installed, and installs it; each step is done by :meth:`advance` without waiting.

    Args:
        options: Further options of pip.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._options = list(options)
        self.state, self.message = IDLE, ""
        self.parts: list[Part] = []
        self._wanted: list[str] = []
        self._pip: PipProcess | None = None
        self._scratch: Scratch | None = None
        self._begun: set[str] = set()
        self._sizes: threading.Thread | None = None

    @property
    def isBusy(self) -> bool:
        """Whether pip is at work."""
        return self.state in (CHECKING, INSTALLING)

    def check(self, wanted: Sequence[str]) -> None:
        """Find out what is missing; nothing is installed.

        Args:
            wanted: What :func:`requirements` returned.

        Raises:
            OSError: If pip cannot be started.
        """
        self.stop()
        self._wanted, self.parts, self._scratch = list(wanted), [], Scratch()
        report = str(self._scratch.file("report.json"))
        self._pip = PipProcess([*self._options, "--dry-run", "--quiet", "--report", report, *wanted])
        self.state, self.message = CHECKING, _("Looking for what is missing")

    def install(self) -> None:
        """Install what the check found.

        Raises:
            OSError: If pip cannot be started.
        """
        self._begun.clear()
        self._pip = PipProcess([*self._options, "--progress-bar", "off", *self._wanted])
        self.state, self.message = INSTALLING, _("Installing")

    def advance(self) -> bool:
        """Take what pip has said; return whether it is at work."""
        if self._sizes is not None and not self._sizes.is_alive():
            self._sizes = None
            self.state = READY
        if self._pip is None:
            return self.isBusy
        for line in self._pip.poll():
            self._follow(line)
        status = self._pip.status()
        if status is None:
            return True
        pip, self._pip = self._pip, None
        if status:
            self.state, self.message = FAILED, _remedy(pip.errors(), "--no-index" in self._wanted)
        elif self.state == CHECKING:
            self._read()
        else:
            importlib.invalidate_caches()
            self.state, self.message = DONE, _("Installed. Press Score.")
        return self.isBusy

    def _read(self) -> None:
        """Take pip's report; sizes are asked for in a thread."""
        assert self._scratch is not None
        found: list[dict[str, Any]] = json.loads(self._scratch.file("report.json").read_text(encoding="utf-8"))[
            "install"
        ]
        found = sorted(found, key=_nameOf)
        self.parts = [Part(item["metadata"]["name"], item["metadata"]["version"], None) for item in found]
        self._sizes = threading.Thread(target=self._measure, args=(found,), daemon=True)
        self._sizes.start()

    def _measure(self, found: list[dict[str, Any]]) -> None:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            sizes = list(pool.map(_sizeOf, [item["download_info"]["url"] for item in found]))
        self.parts = [Part(part.name, part.version, size) for part, size in zip(self.parts, sizes, strict=True)]

    def _follow(self, line: str) -> None:
        said = re.match(r"(?:Collecting|Processing|Requirement already satisfied:?) (\S+)", line)
        if said is None:
            if line.startswith("Installing collected packages"):
                self.message = _("Unpacking")
            return
        name = re.split(r"[\[><=! @;]", Path(unquote(urlsplit(said[1]).path)).name)[0].split("-")[0]
        wanted = {_plain(part.name) for part in self.parts}
        if _plain(name) in wanted:
            self._begun.add(_plain(name))
            self.message = _("Fetching {name}, {number} of {count}").format(
                name=name, number=len(self._begun), count=len(self.parts)
            )

    def share(self) -> float:
        """Return the share of the installation that is done, 0 to 1, by the sizes of the packages."""
        if self.state == DONE:
            return 1.0
        total = sum(part.numBytes or MEGABYTE for part in self.parts)
        begun = sum(part.numBytes or MEGABYTE for part in self.parts if _plain(part.name) in self._begun)
        return 0.9 * begun / total if total and self.state == INSTALLING else 0.0

    def stop(self) -> None:
        """Stop pip. What it has fetched is discarded; it installs only when everything is there."""
        if self._pip is not None:
            self._pip.stop()
            self._pip = None
            self.message = _("Cancelled. Nothing was changed unless it was unpacking.")
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
        self.state, self._sizes = IDLE, None

    def describe(self) -> str:
        """Return what would be installed and how much it is, in words."""
        if not self.parts:
            return _("Nothing is missing.")
        known = [part.numBytes for part in self.parts if part.numBytes is not None]
        unknown = len(self.parts) - len(known)
        size = _("{size:.0f} MB").format(size=max(1.0, sum(known) / MEGABYTE))
        if unknown:
            size = _("at least {size}, {unknown} of unknown size").format(size=size, unknown=unknown)
        listed = ", ".join(f"{part.name} {part.version}" for part in self.parts)
        return _("{count} packages, {size}: {listed}").format(count=len(self.parts), size=size, listed=listed)


def _nameOf(item: dict[str, Any]) -> str:
    return item["metadata"]["name"].lower()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _sizeOf(address: str) -> int | None:
    """Return the size of a file here or on a server; ``None`` if it is a folder or cannot be found out."""
    parts = urlsplit(address)
    try:
        if parts.scheme == "file":
            path = Path(url2pathname(parts.path))
            return path.stat().st_size if path.is_file() else None
        with urlopen(Request(address, method="HEAD"), timeout=SIZE_SECONDS) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, ValueError, TypeError):
        return None


def _remedy(errors: Sequence[str], isOffline: bool) -> str:
    """Return what went wrong and what helps."""
    text = "\n".join(errors)
    kind = next((kind for pattern, kind in REMEDIES if re.search(pattern, text)), "")
    if kind == "missing" and isOffline:
        remedy = _("The folder lacks a wheel for this Python and system. Make it again as the manual describes.")
    elif kind == "missing":
        remedy = _("The package index has it not. Give the address of a wheel, or a folder of wheels.")
    elif kind == "network":
        remedy = _("Check the network and the proxy, or choose a folder of wheels.")
    elif kind == "space":
        remedy = _("Free space on the disk that Slicer is installed on, then try again.")
    elif kind == "permission":
        remedy = _("Slicer's folder cannot be written. Install Slicer where you may write, or ask its administrator.")
    else:
        remedy = _("Look into the details, or install by hand as the manual describes.")
    return _("The installation failed. {remedy}\n{details}").format(remedy=remedy, details=text)
