"""Check that the packages of the extra ``serve`` are installed, with one message that says how to install them."""

from __future__ import annotations

import importlib.util

from striq.errors import StriqError

PACKAGES = {
    "dicomweb_client": "dicomweb-client",
    "highdicom": "highdicom",
    "prometheus_client": "prometheus-client",
    "pyarrow": "pyarrow",
    "pynetdicom": "pynetdicom",
    "requests": "requests",
    "tomli": "tomli",
}


def check_packages() -> None:
    """Check that every package of the service is installed.

    Raises:
        StriqError: If some are missing; the message names them.
    """
    missing = [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        msg = f"'striq serve' needs {', '.join(missing)}. Install the extra: pip install 'striq[serve]'."
        raise StriqError(msg)
