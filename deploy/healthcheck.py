"""Health of the service in its container: exit status 0 if it answers that all is well."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

URL = os.environ.get("STRIQ_HEALTH_URL", "http://127.0.0.1:9114/health")
TOKEN_FILE = Path(os.environ.get("STRIQ_TOKEN_FILE", "/run/secrets/striq_token"))


def main() -> int:
    """Return the exit status."""
    headers = {"Authorization": f"Bearer {TOKEN_FILE.read_text().strip()}"} if TOKEN_FILE.is_file() else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(URL, headers=headers), timeout=8) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, TimeoutError, ValueError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
