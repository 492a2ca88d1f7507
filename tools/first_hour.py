"""Run the pages for people from the built wheel in a fresh environment, in a terminal, and write what it showed.

``make wheel``, then ``python tools/first_hour.py dist/striq-*.whl --out transcripts``. A page is followed from top to
bottom; blocks that are marked as not run are left out. Takes minutes: two pages train.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("sonographers", "hospitals", "monai-users", "researchers")
BLOCK = re.compile(
    r"(?P<marked><!-- not run: [^>]+? -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.M
)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TORCH = "torch==2.13.0"


def make_environment(folder: Path, wheel: Path) -> Path:
    """Return the programs of a new environment that holds the wheel with the extras that the pages name."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    for wanted in (TORCH, f"striq[audit,dicom-sr] @ {wheel.resolve().as_uri()}"):
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", wanted], check=True)
    return programs


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and code of each block of a page that is to be run."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [(block["language"], block["code"]) for block in found if not block["marked"]]


def run_in_terminal(code: str, language: str, folder: Path, programs: Path, columns: int) -> tuple[int, str]:
    """Return the exit status of a block, and what a terminal showed of it, progress bars in their last state."""
    command = ["python", "-c", code] if language == "python" else ["bash", "-e", "-c", code]
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.environ.update(PATH=f"{programs}:{os.environ['PATH']}", COLUMNS=str(columns), LINES="24")
        os.environ.pop("PYTHONPATH", None)
        os.execvp(command[0], command)
    shown = bytearray()
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the end of a terminal
            break
        if not part:
            break
        shown += part
    _, status = os.waitpid(process, 0)
    lines = CONTROL.sub("", shown.decode(errors="replace")).replace("\r\n", "\n").split("\n")
    last = [line.rsplit("\r", maxsplit=1)[-1].rstrip() for line in lines]
    kept = [line for line, after in zip(last, [*last[1:], ""], strict=True) if line[:8] != after[:8] or not line]
    return os.waitstatus_to_exitcode(status), "\n".join(kept)


def follow(page: str, programs: Path, columns: int) -> tuple[bool, str]:
    """Return whether all blocks of a page ended well, and the transcript."""
    lines, well = [f"# docs/for-{page}.md, {columns} columns\n"], True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "monai_bundle").symlink_to(ROOT / "monai_bundle")
        for language, code in blocks(ROOT / "docs" / f"for-{page}.md"):
            start = time.monotonic()
            status, shown = run_in_terminal(code, language, folder, programs, columns)
            well = well and status == 0
            prompted = "".join(f"$ {line}\n" for line in code.splitlines())
            lines.append(f"{prompted}{shown}\n[exit status {status}, {time.monotonic() - start:.0f} s]\n")
    return well, "\n".join(lines)


def main() -> int:
    """Follow the pages and write the transcripts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the transcripts.")
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=PAGES)
    parser.add_argument("--columns", type=int, default=80)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    failed = []
    with tempfile.TemporaryDirectory() as name:
        programs = make_environment(Path(name), given.wheel)
        for page in given.pages:
            well, transcript = follow(page, programs, given.columns)
            (given.out / f"{page}.txt").write_text(transcript, encoding="utf-8")
            sys.stdout.write(f"{page}: {'all blocks ended well' if well else 'FAILED'}\n")
            failed += [] if well else [page]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
