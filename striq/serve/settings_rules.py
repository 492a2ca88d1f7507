"""Rules of the settings that concern several values at once, files, or other packages."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from striq.errors import StriqError, one_line
from striq.plane_names import did_you_mean
from striq.policies.reading import read_policy
from striq.serve.settings import Destination, ServeSettings, Tls
from striq.shipped_models import NAMED, is_shipped_name
from striq.toml_files import Fault


def broken_rules(settings: ServeSettings) -> list[Fault]:
    """Return key and message of each rule that settings break, although each value alone is possible."""
    return [
        *_sources(settings),
        *_sop_classes(settings),
        *_tls(("storage", "tls"), settings.storage.tls),
        *_destinations(settings),
        *_names(settings),
        *_files(settings),
        *_http(settings),
    ]


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sources(settings: ServeSettings) -> Iterator[Fault]:
    if not (settings.storage.enabled or settings.watch or settings.dicomweb):
        yield (
            ("storage", "enabled"),
            "expected true, or a table [[watch]] or [[dicomweb]], got nothing to take objects from",
        )
    for index, watched in enumerate(settings.watch):
        folder, own = Path(watched.folder).absolute(), settings.root.absolute()
        if folder == own or folder in own.parents or own in folder.parents:
            yield ("watch", index, "folder"), f"expected a folder apart from 'folder' ({own}), got {folder}"


def _sop_classes(settings: ServeSettings) -> Iterator[Fault]:
    from pynetdicom import sop_class

    for index, name in enumerate(settings.storage.sop_classes):
        if not name.endswith("Storage") or not hasattr(sop_class, name):
            wrong = f"expected the keyword of a storage SOP class, such as UltrasoundImageStorage, got {name!r}"
            yield ("storage", "sop_classes", index), wrong


def _tls(key: tuple[str | int, ...], tls: Tls | None) -> Iterator[Fault]:
    for name in ("certificate", "key", "authorities") if tls is not None else ():
        yield from _file((*key, name), getattr(tls, name))


def _file(key: tuple[str | int, ...], path: str) -> Iterator[Fault]:
    if not Path(path).is_file():
        yield key, f"expected a file that exists, got {path!r}"


def _destinations(settings: ServeSettings) -> Iterator[Fault]:
    for index, destination in enumerate(settings.destinations):
        key = ("destinations", index)
        for name in _needed(destination):
            if not getattr(destination, name):
                yield (*key, name), f"expected a value, because kind is {destination.kind}, got none"
        if (
            destination.kind == "dicomweb"
            and destination.url
            and not destination.url.startswith(("http://", "https://"))
        ):
            yield (*key, "url"), f"expected an address that begins with http:// or https://, got {destination.url!r}"
        yield from _tls((*key, "tls"), destination.tls)


def _needed(destination: Destination) -> tuple[str, ...]:
    return ("host", "ae_title") if destination.kind == "dicom" else ("url",)


def _names(settings: ServeSettings) -> Iterator[Fault]:
    """Names of what is sent to must differ, because the queue knows them by name."""
    seen: set[str] = set()
    for table in ("destinations", "webhooks"):
        for index, one in enumerate(getattr(settings, table)):
            if one.name in seen:
                yield (
                    (table, index, "name"),
                    f"expected a name that no other destination or webhook has, got {one.name!r}",
                )
            seen.add(one.name)


def _files(settings: ServeSettings) -> Iterator[Fault]:
    for table in ("dicomweb", "destinations", "webhooks"):
        for index, one in enumerate(getattr(settings, table)):
            if one.token_file:
                yield from _file((table, index, "token_file"), one.token_file)
    if settings.http.token_file:
        yield from _file(("http", "token_file"), settings.http.token_file)
    if settings.scoring.policy:
        yield from _policy(settings)
    model = settings.scoring.model
    if model and not Path(model).exists() and not is_shipped_name(model):
        hint = did_you_mean(model, tuple(NAMED))
        wrong = f"expected a file or folder that exists, or 'light', got {model!r}{hint and '.' + hint}"
        yield ("scoring", "model"), wrong


def _policy(settings: ServeSettings) -> Iterator[Fault]:
    if settings.scoring.threshold is not None:
        yield ("scoring", "threshold"), "expected no value beside a policy, which holds the thresholds, got one"
    try:
        read_policy(Path(settings.scoring.policy))
    except (StriqError, OSError) as error:
        yield ("scoring", "policy"), f"expected a policy, got: {one_line(error)}"


def _http(settings: ServeSettings) -> Iterator[Fault]:
    if settings.http.enabled and not is_loopback(settings.http.host) and not settings.http.token_file:
        yield (
            ("http", "token_file"),
            f"expected a file with a token, because {settings.http.host} is not loopback, got none",
        )
