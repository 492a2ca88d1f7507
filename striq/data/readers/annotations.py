"""Names of masks and annotation pictures, which lie beside images and are no ultrasound frames."""

from __future__ import annotations

import re
from pathlib import Path

WORDS = ("mask", "annotation", "annotated", "gt", "ground[_-]?truth", "seg", "segmentation", "label", "contour")
# The word is the last part of the name: 001_HC_Annotation.png, benign (3)_mask_1.png, heart.seg.nrrd.
FILE_NAME = re.compile(rf"(.*[_\-. ])?({'|'.join(WORDS)})s?([_\-. ]?\d+)?", re.IGNORECASE)
FOLDER_NAME = re.compile(rf"({'|'.join(WORDS)})s?(tr|ts|val|[_-]?train|[_-]?test)?", re.IGNORECASE)


def is_annotation(path: Path, root: Path, suffix: str) -> bool:
    """Return whether a file below a folder is a mask or an annotation picture by its name or by a folder's name.

    Args:
        path: File below ``root``.
        root: Folder that was searched; its own name does not matter.
        suffix: Suffix of the file's format, such as ``.nii.gz``.
    """
    *folders, name = path.relative_to(root).parts
    stem = name[: len(name) - len(suffix)]
    return FILE_NAME.fullmatch(stem) is not None or any(FOLDER_NAME.fullmatch(folder) for folder in folders)
