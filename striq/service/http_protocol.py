"""The scoring process over HTTP: paths, limits, and which fields of a command leave the client's computer.

This file imports the standard library only.

``GET /v1/about``
    ``protocol``, ``version``, ``devices`` (``name`` and ``label`` of each), ``max_bytes`` of a request.
``POST /v1/sessions``
    Start a scoring process; ``session`` is its name in the paths below.
``POST /v1/sessions/S/commands``
    A line of JSON with a command, then the NumPy file of its pictures, if it has any.
``GET /v1/sessions/S/answers?wait=20``
    A list of the answers that have arrived; waits so many seconds for the first. ``ended`` is the reason if the process
    has ended.
``GET /v1/sessions/S/files/NAME``
    A NumPy file that an answer names.
``DELETE /v1/sessions/S``
    End the process and remove its files.

Every request carries ``Authorization: Bearer TOKEN``. Errors are JSON objects with ``error``.
"""

from __future__ import annotations

SENT_FIELDS = {  # of each command; a server refuses all others, above all names and paths
    "load": ("id", "device"),
    "score": ("id", "plane", "threshold", "times_s", "spacing_mm"),
    "explain": ("id", "plane", "index", "spacing_mm"),
    "cancel": ("id",),
}
WITH_FRAMES = ("score", "explain")
MAPS = ("residual", "missing", "anchor_picture")  # fields of an answer that name files
MAX_COMMAND_BYTES = 2**22  # without the pictures
MAX_BYTES = 2**29  # of one request, by default
LONGEST_WAIT_S = 25.0
SILENCE_S = 60.0  # after which a connection is given up
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MIN_TOKEN_LENGTH = 16
