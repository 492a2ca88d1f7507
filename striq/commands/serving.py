"""``striq serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.collection import end_loading
from striq.commands.options import JsonOption
from striq.commands.terminal import complain, say, say_json
from striq.errors import StriqError
from striq.signals import ending_at_once, ending_on_signals

if TYPE_CHECKING:
    from striq.serve.settings import ServeSettings

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def serve(
    settings: Annotated[Path | None, typer.Argument(help="TOML file of settings.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a settings file with all keys, and end.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Check the settings and the model, and end.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Print what is in the queue and the dead letters.")] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try dead letters again, and all that waits, at once.")
    ] = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="Print the files that would be removed by age, and remove none.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take DICOM objects as they arrive, score them, and send reports back, until stopped.

    Objects come by C-STORE, from watched folders and from DICOMweb servers. --status, --retry and --expired
    work beside the running service.

    Exit status 0: stopped by SIGTERM, or the question is answered. 2: wrong settings, no model, or an address in use.
    130: interrupted.
    """
    if sum((example, check, status, retry, expired)) > 1:
        msg = "--example, --check, --status, --retry and --expired exclude one another. Give one of them."
        raise StriqError(msg)
    with ending_at_once():
        from striq.serve.requirements import check_packages

        if example:
            from striq.serve.settings_file import EXAMPLE

            say(EXAMPLE.read_text(encoding="utf-8").rstrip())
            return
        check_packages()
        if settings is None:
            msg = "Name a settings file. 'striq serve --example > striq.toml' writes one to begin with."
            raise StriqError(msg)
        from striq.serve.settings_file import read_settings

        found = read_settings(settings)
    if check:
        _check(found)
    elif status:
        _say_status(found, as_json=as_json)
    elif retry:
        _retry(found)
    elif expired:
        _say_expired(found, as_json=as_json)
    else:
        raise typer.Exit(_run(found))


def _check(settings: ServeSettings) -> None:
    from striq.scoring.checkpoint import find_checkpoint

    with ending_at_once():
        model = find_checkpoint(Path(settings.scoring.model) if settings.scoring.model else None)
    say(f"The settings are valid. Model: {model}")


def _say_status(settings: ServeSettings, *, as_json: bool) -> None:
    from striq.serve.status import queue_status, status_lines

    found = queue_status(settings)
    if as_json:
        say_json(found)
        return
    for line in status_lines(found):
        say(line)


def _retry(settings: ServeSettings) -> None:
    from striq.serve.status import retry_dead_letters

    objects, items = retry_dead_letters(settings)
    say(f"Tried again: {objects} objects, {items} reports and messages.")


def _say_expired(settings: ServeSettings, *, as_json: bool) -> None:
    from striq.serve.status import expired_files

    found = [str(path) for path in expired_files(settings)]
    if as_json:
        say_json(found)
        return
    for path in found:
        say(path)
    if not found:
        say("No file would be removed by age.")


def _run(settings: ServeSettings) -> int:
    with ending_at_once():
        from striq.serve.logs import Log, silence_libraries
        from striq.serve.service import Service
    silence_libraries()
    end_loading()
    with ending_on_signals():
        try:
            Service(settings, Log()).run()
        except KeyboardInterrupt:
            complain("interrupted")
            return INTERRUPTED
        except SystemExit:  # SIGTERM: the orderly end of a service
            return 0
    return 0
