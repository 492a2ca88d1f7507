"""Names of masks and annotation pictures, which lie beside images and are no ultrasound frames."""

from __future__ import annotations

import re
from pathlib import Path

WORDS = "mask|annotation|annotated|annot|gt|ground[_-]?truth|seg|segmentation|label|contour"
FIRST_WORDS = "mask|annotation|gt|ground[_-]?truth|segmentation"
# 001_HC_Annotation, benign (3)_mask_1, heart.seg, mask_007
FILE_NAME = re.compile(
    rf"(.*[_\-. ])?({WORDS})s?([_\-. ]?\d+)?|({FIRST_WORDS})s?[_\-. ].*",
    re.IGNORECASE,
)
FOLDER_NAME = re.compile(rf"({WORDS})s?(tr|ts|val|[_-]?train|[_-]?test)?", re.IGNORECASE)
WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # in HCAnnotation, heartMask


def is_annotation(path: Path, root: Path, suffix: str) -> bool:
    """Return whether a file below a folder is a mask or an annotation picture by its name or by a folder's name.

    Args:
        path: File below ``root``.
        root: Folder that was searched; its own name does not matter.
        suffix: Suffix of the file's format, such as ``.nii.gz``.
    """
    *folders, name = path.relative_to(root).parts
    stem = name[: len(name) - len(suffix)]
    is_named = any(FILE_NAME.fullmatch(text) for text in (stem, WORD_START.sub("_", stem)))
    return is_named or any(FOLDER_NAME.fullmatch(folder) for folder in folders)
