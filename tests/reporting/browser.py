"""What a browser makes of a page, for tests that have one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom")


def overflow_in_browser(page: Path, width: int) -> int:
    """Return by how many pixels a page is wider than a screen of a width."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium")
    frame = page.with_name("frame.html")
    measure = (
        "const page = document.querySelector('iframe').contentDocument.documentElement;"
        "document.title = `overflow ${page.scrollWidth - page.clientWidth}`"
    )
    screen = f'style="width:{width}px;height:900px;border:0"'
    frame.write_text(f'<iframe src="{page.name}" {screen} onload="{measure}"></iframe>', encoding="utf-8")
    command = [browser, *OPTIONS, f"--user-data-dir={page.parent / 'profile'}", frame.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    measured = re.search(r"<title>overflow (\d+)</title>", found.stdout)
    assert measured is not None, found.stderr
    return int(measured[1])
