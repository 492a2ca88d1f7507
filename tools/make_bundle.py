"""Pack the MONAI bundle: one zip, laid out as the Model Zoo lays out its bundles, with the same bytes every time."""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path

import yaml

NAME = "striq_ultrasound_plane_quality_classification"
SOURCE = Path(__file__).parents[1] / "monai_bundle"
WEIGHTS, LARGE_FILES = "models/model.pt", "large_files.yml"
PARTS = ("LICENSE", "configs/*.json", "configs/logging.conf", "docs/*", WEIGHTS, "models/anchors/*.png")
NEEDED = ("LICENSE", "configs/metadata.json", "configs/inference.json", "configs/train.json", "docs/README.md", WEIGHTS)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold


def pack(out: Path, source: Path = SOURCE, model_url: str = "") -> Path:
    """Write the zip into a folder and return its path.

    Args:
        out: Folder to write into; made if absent.
        source: Folder of the bundle.
        model_url: Where the weights are published. Given, they are left out, to be fetched from there and checked.

    Raises:
        ValueError: If the bundle is not complete, or its weights are not those that ``large_files.yml`` names.
    """
    missing = [part for part in NEEDED if not (source / part).is_file()]
    if missing:
        msg = f"{source}: not a complete bundle, {', '.join(missing)} is missing. Restore it first."
        raise ValueError(msg)
    large = _large_files(source)
    files = sorted({file for part in PARTS for file in source.glob(part) if file.is_file()})
    entries = {file.relative_to(source).as_posix(): file.read_bytes() for file in files}
    if model_url:
        del entries[WEIGHTS]
        large["large_files"][0]["url"] = model_url
        entries[LARGE_FILES] = yaml.safe_dump(large, sort_keys=False).encode()
    out.mkdir(parents=True, exist_ok=True)
    target, temporary = out / f"{NAME}.zip", out / f".{NAME}.zip.tmp"
    with zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(f"{NAME}/{name}", EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # of Unix, readable by all, wherever it is made
            archive.writestr(info, entries[name])  # stored: the bytes do not depend on any version of zlib
    return temporary.replace(target)


def _large_files(source: Path) -> dict:
    listed = yaml.safe_load((source / LARGE_FILES).read_text(encoding="utf-8"))
    expected = listed["large_files"][0]["hash_val"]
    found = hashlib.sha256((source / WEIGHTS).read_bytes()).hexdigest()
    if found != expected:
        msg = (
            f"{source / WEIGHTS}: SHA-256 is {found}, {LARGE_FILES} says {expected}. "
            f"Restore the weights, or write the new hash into {LARGE_FILES}."
        )
        raise ValueError(msg)
    return listed


def main() -> None:
    """Pack, and say where."""
    parser = argparse.ArgumentParser(description="Pack the MONAI bundle into a zip.")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder to write into")
    parser.add_argument("--model-url", default="", help="where the weights are published; they are left out then")
    arguments = parser.parse_args()
    try:
        path = pack(arguments.out, model_url=arguments.model_url)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    content = path.read_bytes()
    sys.stdout.write(f"{path}: {len(content) / 1e6:.1f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}\n")


if __name__ == "__main__":
    main()
