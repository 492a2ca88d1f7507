"""Decoding in a process of its own, for decoders that may end the process or hang over a damaged frame.

GDCM ends the process when a check of its own fails. CharLS (pyjpegls) can take minutes for a damaged frame.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from striq.signals import call_at_end

START_TIMEOUT_S = 60.0
FRAME_TIMEOUT_S = 8.0  # a hundred times as long as a large frame takes
READY = b"ready"
LENGTH = struct.Struct("<Q")


def decode_apart(codestream: bytes, syntax: UID, plugin: str, options: Mapping[str, Any]) -> tuple[NDArray[Any], str]:
    """Return the stored values of one compressed frame, and their color space.

    Args:
        codestream: The frame.
        syntax: Its transfer syntax.
        plugin: Decoder of pydicom.
        options: Decoding options of pydicom.

    Raises:
        ValueError: If the frame cannot be decoded, or not in time.
    """
    return _process.decode(codestream, {"syntax": str(syntax), "plugin": plugin, "options": dict(options)})


class _DecoderProcess:
    """A process that decodes one frame after the other; it is started when needed and after it ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def decode(self, codestream: bytes, request: Mapping[str, Any]) -> tuple[NDArray[Any], str]:
        with self._lock:
            try:
                process = self._running()
                with _time_limit(process, FRAME_TIMEOUT_S):
                    _write(process.stdin, json.dumps(request).encode(), codestream)
                    described, values = _read(process.stdout), _read(process.stdout)
            except (OSError, EOFError) as error:
                self.stop()
                msg = "a damaged frame, over which the decoder ended or took too long"
                raise ValueError(msg) from error
        answer = json.loads(described)
        if "error" in answer:
            raise ValueError(answer["error"])
        return np.frombuffer(values, np.dtype(answer["dtype"])).reshape(answer["shape"]), answer["photometric"]

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # unsent bytes for a process that has ended
                    continue

    def forget(self) -> None:
        """Start anew in a forked process, which must not use the pipes and the lock of its parent."""
        self._process, self._lock = None, threading.Lock()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            with _time_limit(self._process, START_TIMEOUT_S):
                _read(self._process.stdout)
        return self._process


@contextmanager
def _time_limit(process: subprocess.Popen[bytes], seconds: float) -> Generator[None, None, None]:
    """End the process, and with it any wait for its answer, unless the block ends in time."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


_process = _DecoderProcess()
atexit.register(_process.stop)
call_at_end(_process.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forget)


def serve() -> None:
    """Decode the frames that standard input brings; runs in the decoder's process."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    # Decoders write to standard output themselves, so the answers have a descriptor of their own.
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _write(answers, READY)
    while True:
        try:
            request, codestream = json.loads(_read(requests)), _read(requests)
        except EOFError:
            return
        try:
            source = encapsulate([codestream], has_bot=False)
            decoder = get_decoder(request["syntax"])
            array, decoded = decoder.as_array(
                source, index=0, raw=True, decoding_plugin=request["plugin"], **request["options"]
            )
            answer: dict[str, Any] = {
                "dtype": array.dtype.str,
                "shape": array.shape,
                "photometric": str(decoded["photometric_interpretation"]),
            }
            values = array.tobytes()
        except Exception as error:  # whatever the decoder raises is the answer
            answer, values = {"error": " ".join(str(error).split())[:300] or type(error).__name__}, b""
        _write(answers, json.dumps(answer).encode(), values)


def _write(stream: Any, *parts: bytes) -> None:
    for part in parts:
        stream.write(LENGTH.pack(len(part)))
        stream.write(part)
    stream.flush()


def _read(stream: Any) -> bytes:
    (length,) = LENGTH.unpack(_read_exactly(stream, LENGTH.size))
    return _read_exactly(stream, length)


def _read_exactly(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content
