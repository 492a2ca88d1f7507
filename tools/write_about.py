"""Write publisher, addresses and version into the files that need them, from ``striq/about.py`` and ``pyproject.toml``.

``python tools/write_about.py`` changes the files and prints their paths.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ICON = "slicer_extension/UltrasoundPlaneQC/Resources/Icons/UltrasoundPlaneQC.png"
SCREENSHOTS = tuple(
    f"docs/pictures/slicer_{name}.png" for name in ("scored", "overlay", "live", "hint_light", "tabs_light")
)


@dataclass(frozen=True)
class About:
    """Publisher, page of the repository, and version."""

    publisher: str
    repository: str
    version: str

    @classmethod
    def of_project(cls, root: Path = ROOT) -> About:
        """Read what a checkout says of itself."""
        names = runpy.run_path(str(root / "striq" / "about.py"))
        version = re.search(r'^version = "(.+)"$', (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
        assert version is not None
        return cls(names["PUBLISHER"], names["REPOSITORY"], version[1])

    def file(self, path: str) -> str:
        """Return the address of a file of the main branch, as it is."""
        return f"{self.repository}/raw/main/{path}"

    def values(self) -> Mapping[str, Mapping[str, str]]:
        """Return the values of each file's fields, by the pattern that finds the field; its one group is the value."""
        return {
            "pyproject.toml": {
                r'^authors = \[\{ name = "(.*)" \}\]$': self.publisher,
                r'^Repository = "(.*)"$': self.repository,
                r'^Changelog = "(.*)"$': f"{self.repository}/blob/main/CHANGELOG.md",
            },
            "CITATION.cff": {
                r"^version: (.*)$": self.version,
                r'^repository-code: "(.*)"$': self.repository,
                r"^  - name: (.*)$": self.publisher,
            },
            "CMakeLists.txt": {
                r'^set\(EXTENSION_HOMEPAGE "(.*)"\)$': self.repository,
                r'^set\(EXTENSION_CONTRIBUTORS "(.*)"\)$': self.publisher,
                r'^set\(EXTENSION_ICONURL "(.*)"\)$': self.file(ICON),
                r'^set\(EXTENSION_SCREENSHOTURLS "(.*)"\)$': " ".join(map(self.file, SCREENSHOTS)),
            },
            "slicer_extension/STRIQ.json": {r'"scm_url": "(.*)"': f"{self.repository}.git"},
            "slicer_extension/UltrasoundPlaneQC/UltrasoundPlaneQC.py": {
                r'self\.parent\.contributors = \["(.*)"\]': self.publisher
            },
            "monai_bundle/large_files.yml": {
                r'^  url: "(.*)"$': f"{self.repository}/releases/download/v{self.version}/model.pt"
            },
            "monai_bundle/configs/metadata.json": {
                r'^    "version": "(.*)"': self.version,
                r'^        "striq": "(.*)"': self.version,
                r'^    "authors": "(.*)"': self.publisher,
                r'^    "copyright": "Copyright \(c\) (.*)"': self.publisher,
            },
            "monailabel_app/main.py": {r'^ +version="(.*)",$': self.version},
            "docs/how-to/bundle.md": {r"^pip install striq-(.*)-py3-none-any\.whl$": self.version},
            ".github/ISSUE_TEMPLATE/config.yml": {r'^    url: "(.*)"$': f"{self.repository}/security/policy"},
        }


def written(text: str, values: Mapping[str, str]) -> str:
    """Return the text of a file with new values.

    Args:
        text: Content of the file.
        values: New values by the pattern of each field.

    Raises:
        ValueError: If the file does not have a field exactly once.
    """
    for pattern, value in values.items():
        found = list(re.finditer(pattern, text, re.MULTILINE))
        if len(found) != 1:
            msg = f"the field {pattern!r} is there {len(found)} times, expected once"
            raise ValueError(msg)
        text = text[: found[0].start(1)] + value + text[found[0].end(1) :]
    return text


def outdated(about: About, root: Path = ROOT) -> dict[Path, str]:
    """Return the new text of every file whose fields are not as they should be.

    Args:
        about: What the fields are made of.
        root: Folder of the checkout.

    Raises:
        ValueError: If a file lacks a field.
    """
    changed: dict[Path, str] = {}
    for name, values in about.values().items():
        text = (root / name).read_text(encoding="utf-8")
        try:
            new = written(text, values)
        except ValueError as error:
            msg = f"{name}: {error}. Put the field back, or change tools/write_about.py."
            raise ValueError(msg) from None
        if new != text:
            changed[root / name] = new
    return changed


def main() -> None:
    """Write every outdated file and print its path."""
    for path, text in outdated(About.of_project()).items():
        path.write_text(text, encoding="utf-8", newline="\n")
        sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
