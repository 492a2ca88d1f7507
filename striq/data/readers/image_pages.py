"""Pages of TIFF, GIF and animated PNG files: which of them are frames, and whether a page holds more than one image."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from striq.data.readers.limits import MAX_FRAMES, refuse_many_frames
from striq.errors import ReadError

WITH_PAGES = ("TIFF", "GIF", "PNG")
# Tags of TIFF.
NEW_SUBFILE_TYPE, PHOTOMETRIC_INTERPRETATION, IMAGE_DESCRIPTION, IMAGE_DEPTH = 254, 262, 270, 32997
REDUCED_OR_MASK = 0b101  # bits of NewSubfileType: an image in lower resolution, or a transparency mask
WHITE_IS_ZERO = 0  # value of PhotometricInterpretation
NUM_IMAGES = re.compile(r"^images=(\d+)", re.MULTILINE)  # in a description of ImageJ
TRUNCATED = re.compile(r'"truncated":\s*true')  # in the description of a stack whose further images have no page
# Raised by Pillow for a page whose pixels it cannot read, or whose tags are damaged.
PAGE_ERRORS = (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, RuntimeError)


def frame_pages(image: Image.Image, path: Path) -> list[int]:
    """Return the numbers of the pages of an open picture that are frames; its first page is selected then.

    Thumbnails, masks, and the picture that stands for an animated PNG where animations are not shown are left out.

    Args:
        image: Picture of Pillow.
        path: File, for messages.

    Raises:
        ReadError: If there are too many pages, or if a page holds several images.
        ValueError: If the smallest value is white on some pages and black on others.
    """
    if image.format not in WITH_PAGES:
        return [0]
    if isinstance(image, TiffImageFile):
        return _tiff_pages(image, path)
    num_pages = getattr(image, "n_frames", 1)
    refuse_many_frames(path, num_pages)
    return list(range(num_pages))[bool(getattr(image, "default_image", False)) :]


def is_inverted(image: Image.Image) -> bool:
    """Return whether the smallest value of an open picture is white; Pillow inverts those of up to 8 bits itself."""
    if not isinstance(image, TiffImageFile):
        return False
    return image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO and image.mode.startswith(("I", "F"))


def _tiff_pages(image: TiffImageFile, path: Path) -> list[int]:
    num_images = _num_described(image)
    frames: list[int] = []
    others: list[int] = []
    inverted: set[bool] = set()
    number = 0
    while True:
        try:
            image.seek(number)
        except EOFError:
            break
        except PAGE_ERRORS:  # a page that cannot be read; unless it is no frame, reading it says why
            if image.tell() != number:
                frames.append(number)
                break
        if _is_frame(image):
            frames.append(number)
            inverted.add(is_inverted(image))
        else:
            others.append(number)
        number += 1
        refuse_many_frames(path, number)
    image.seek(frames[0] if frames else 0)
    if num_images is not None and num_images > number:
        raise ReadError(
            what="The TIFF file holds images that have no page of their own",
            where=path,
            expected="one page per image",
            got=f"more images than its pages: {number}",
            remedy="Save it as a TIFF of pages, for example from ImageJ as an image sequence.",
        )
    if len(inverted) > 1:
        msg = "pages of which some have the smallest value as white, others as black"
        raise ValueError(msg)
    return frames or others


def _is_frame(image: TiffImageFile) -> bool:
    kind = image.tag_v2.get(NEW_SUBFILE_TYPE, 0)
    return not (isinstance(kind, int) and kind & REDUCED_OR_MASK)


def _num_described(image: TiffImageFile) -> int | None:
    """Return the number of images that the first page declares; ``None`` if it declares none."""
    depth = image.tag_v2.get(IMAGE_DEPTH, 1)
    if isinstance(depth, int) and depth > 1:
        return depth
    description = image.tag_v2.get(IMAGE_DESCRIPTION, "")
    if not isinstance(description, str):
        return None
    if description.startswith("ImageJ=") and (found := NUM_IMAGES.search(description)):
        return int(found[1])
    return MAX_FRAMES if TRUNCATED.search(description) else None  # the description has the shape alone
