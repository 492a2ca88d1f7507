"""Which reader a file needs, and which files of a folder can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from striq.data.cine import Cine
from striq.data.readers.dicom import MARKER, PREAMBLE_BYTES, open_dicom
from striq.data.readers.metaimage import open_metaimage
from striq.data.readers.nifti import open_nifti
from striq.data.readers.nrrd_sequence import open_nrrd
from striq.data.readers.pictures import open_picture
from striq.data.readers.reader_errors import one_line
from striq.data.readers.video import open_video
from striq.errors import ReadError

FORMAT_OF_SUFFIX = {
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".bmp": "picture",
    ".tif": "picture",
    ".tiff": "picture",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".mha": "metaimage",
    ".mhd": "metaimage",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".mp4": "video",
    ".avi": "video",
    ".mov": "video",
    ".mkv": "video",
    ".webm": "video",
}
PICTURE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
WITHOUT_FRAME_AXIS: dict[str, Callable[[Path], Cine]] = {
    "picture": open_picture,
    "dicom": open_dicom,
    "video": open_video,
}


def open_cine(path: str | Path, *, frame_axis: int | None = None) -> Cine:
    """Open a file as a cine; the content decides which reader is used, then the suffix.

    Args:
        path: File to read.
        frame_axis: For NIfTI, MetaImage and NRRD: the axis that counts the frames, 0 being the one that varies
            fastest in the file. By default the header decides; the other formats have no choice here.

    Raises:
        ReadError: If the path is wrong or the file cannot be turned into frames.
    """
    path = Path(path)
    try:
        kind = _kind(path)
        if kind in WITHOUT_FRAME_AXIS:
            return WITHOUT_FRAME_AXIS[kind](path)
        if kind == "nifti":
            return open_nifti(path, frame_axis=frame_axis)
        if kind == "nrrd":
            return open_nrrd(path, frame_axis=frame_axis)
        return open_metaimage(path, frame_axis=frame_axis)
    except OSError as error:
        raise ReadError(
            what="The file cannot be opened",
            where=path,
            expected="a file that you may read",
            got=one_line(error),
            remedy="Check its permissions.",
        ) from error


def find_sources(paths: Iterable[str | Path]) -> list[Path]:
    """Expand folders, with their subfolders and sorted, into the files that ``open_cine`` can read.

    Files of other kinds inside a folder are skipped (the ``.raw`` of a ``.mhd`` too: its header stands for both).
    A path that is not a folder, and a folder without any readable file, is returned as it is, so that opening it
    says what is wrong.
    """
    sources: dict[Path, None] = {}
    for path in map(Path, paths):
        found = _readable_files(path) if path.is_dir() else []
        sources.update(dict.fromkeys(found or [path]))
    return list(sources)


def _readable_files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if not path.name.startswith(".") and path.is_file() and _is_readable_kind(path)
    ]


def _is_readable_kind(path: Path) -> bool:
    # A DICOMDIR is the table of contents of a medium: DICOM without a picture.
    if path.name.upper() == "DICOMDIR":
        return False
    return _suffix(path) in FORMAT_OF_SUFFIX or _first_bytes(path)[PREAMBLE_BYTES:] == MARKER


def _kind(path: Path) -> str:
    """Return the name of the reader a file needs."""
    if path.is_dir():
        num_sources = len(_readable_files(path))
        raise ReadError(
            what="This is a folder" if num_sources else "The folder holds no file that can be read",
            where=path,
            expected="one file" if num_sources else f"at least one of {_known_suffixes()}",
            got=f"a folder of {num_sources} readable files",
            remedy="Open its files one by one (find_sources lists them)." if num_sources else "Check the path.",
        )
    if not path.is_file():
        raise ReadError(
            what="There is no such file",
            where=path,
            expected="an existing file",
            got="nothing",
            remedy="Check the path.",
        )
    start = _first_bytes(path)
    kind = _kind_by_content(start) or FORMAT_OF_SUFFIX.get(_suffix(path))
    if not start or kind is None:
        raise ReadError(
            what="This is not a file of ultrasound frames",
            where=path,
            expected=f"content or a suffix of a known format ({_known_suffixes()})",
            got=f"suffix {_suffix(path)!r} and unknown content" if start else "an empty file",
            remedy="Name the header (.mhd) instead of its .raw, or export the frames in a known format."
            if start
            else "Copy or export the file again.",
        )
    return kind


def _kind_by_content(start: bytes) -> str | None:
    if start[PREAMBLE_BYTES:] == MARKER:
        return "dicom"
    if start.startswith(PICTURE_SIGNATURES):
        return "picture"
    if start.startswith(b"NRRD000"):
        return "nrrd"
    return "metaimage" if start.startswith((b"ObjectType", b"NDims")) else None


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(PREAMBLE_BYTES + len(MARKER))


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def _known_suffixes() -> str:
    return ", ".join(FORMAT_OF_SUFFIX)
