"""What DICOM files begin with; needs no library, so that other files are told apart without one."""

from __future__ import annotations

import struct

PREAMBLE_BYTES, DICOM_MARKER = 128, b"DICM"
META_GROUP, FIRST_GROUP = 0x0002, 0x0008
LONG_VRS = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"UT", b"UC", b"UR", b"SQ", b"SV", b"UV"}
KNOWN_VRS = LONG_VRS | {b"UL", b"UI", b"CS", b"DA", b"TM", b"SH", b"LO", b"DT", b"PN", b"ST", b"LT", b"IS", b"AE"}
MAX_FIRST_LENGTH = 4096  # bytes; the first elements of a file are identifiers, dates and short texts


def looks_like_dicom(start: bytes) -> bool:
    """Return whether the first bytes of a file are those of a DICOM file, with or without its preamble."""
    if start[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == DICOM_MARKER:
        return True
    if len(start) < 8:
        return False
    for order in "<>":
        group, element = struct.unpack_from(f"{order}HH", start)
        if group not in (META_GROUP, FIRST_GROUP) or element > 0x2000:
            continue
        if start[4:6] in KNOWN_VRS:
            return True
        (length,) = struct.unpack_from("<L", start, 4)
        return order == "<" and group == FIRST_GROUP and length % 2 == 0 and length <= MAX_FIRST_LENGTH
    return False
