"""Pack the MONAI bundle into a zip file with the layout of the Model Zoo, reproducible byte by byte."""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

NAME = "striq_ultrasound_plane_quality_regression"
SOURCE = Path(__file__).parents[1] / "monai_bundle"
WEIGHTS, LARGE_FILES = "models/model.pt", "large_files.yml"
PARTS = ("LICENSE", "configs/*.json", "configs/logging.conf", "docs/*", WEIGHTS, "models/anchors/*.png")
NEEDED = ("LICENSE", "configs/metadata.json", "configs/inference.json", "configs/train.json", "docs/README.md", WEIGHTS)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can store


def pack(out: Path, source: Path = SOURCE, model_url: str = "") -> Path:
    """Write the zip file to a folder and return its path.

    Args:
        out: Folder to write to; created if missing.
        source: Folder of the bundle.
        model_url: Address of the published weights. If given, the weights are not packed, and ``large_files.yml``
            tells MONAI to download them from there and to check their hash.

    Raises:
        ValueError: If the bundle is incomplete, or the hash of its weights differs from ``large_files.yml``.
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
            # Unix, readable by all, on every system that packs the bundle.
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, entries[name])  # not compressed, so that the bytes do not depend on the zlib version
    return temporary.replace(target)


def _large_files(source: Path) -> dict[str, Any]:
    """Return the content of ``large_files.yml`` after checking the hash of the weights."""
    large_files = yaml.safe_load((source / LARGE_FILES).read_text(encoding="utf-8"))
    expected = large_files["large_files"][0]["hash_val"]
    actual = hashlib.sha256((source / WEIGHTS).read_bytes()).hexdigest()
    if actual != expected:
        msg = (
            f"{source / WEIGHTS}: SHA-256 is {actual}, {LARGE_FILES} says {expected}. "
            f"Restore the weights, or write the new hash into {LARGE_FILES}."
        )
        raise ValueError(msg)
    return large_files


def main() -> None:
    """Pack the bundle and print path, size and hash of the zip file."""
    parser = argparse.ArgumentParser(description="Pack the MONAI bundle into a zip file.")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder to write to")
    parser.add_argument("--model-url", default="", help="address of the published weights, which are then not packed")
    arguments = parser.parse_args()
    try:
        path = pack(arguments.out, model_url=arguments.model_url)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    content = path.read_bytes()
    sys.stdout.write(f"{path}: {len(content) / 1e6:.1f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}\n")


if __name__ == "__main__":
    main()
