"""Decoding with GDCM in a process of its own, because GDCM may end the process for a damaged frame."""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

TIMEOUT_S = 30.0  # for one frame; the first one includes the start of the process
LENGTH = struct.Struct("<Q")


def decode_with_gdcm(codestream: bytes, syntax: UID, options: Mapping[str, Any]) -> NDArray[Any]:
    """Return the stored values of one compressed frame.

    Args:
        codestream: The frame.
        syntax: Its transfer syntax.
        options: Decoding options of pydicom.

    Raises:
        ValueError: If the frame cannot be decoded.
    """
    return _process.decode(codestream, {"syntax": str(syntax), "options": dict(options)})


class _GdcmProcess:
    """A process that decodes one frame after the other; it is started when needed and after it ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # process that may use the pipes; a forked child must not
        self._lock = threading.Lock()

    def decode(self, codestream: bytes, request: Mapping[str, Any]) -> NDArray[Any]:
        with self._lock:
            process = self._running()
            timer = threading.Timer(TIMEOUT_S, process.kill)
            timer.start()
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                _write(process.stdin, json.dumps(request).encode(), codestream)
                described, values = _read(process.stdout), _read(process.stdout)
            except (OSError, EOFError) as error:
                self.stop()
                msg = "a damaged frame: the decoder ended"
                raise ValueError(msg) from error
            finally:
                timer.cancel()
        answer = json.loads(described)
        if "error" in answer:
            raise ValueError(answer["error"])
        return np.frombuffer(values, np.dtype(answer["dtype"])).reshape(answer["shape"])

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # unsent bytes for a process that has ended
                    continue

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid():
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            atexit.register(self.stop)
        return self._process


_process = _GdcmProcess()


def serve() -> None:
    """Decode the frames that standard input brings; runs in the process of GDCM."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    # GDCM writes to standard output itself, so the answers have a descriptor of their own.
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request, codestream = json.loads(_read(requests)), _read(requests)
        except EOFError:
            return
        try:
            source = encapsulate([codestream], has_bot=False)
            decoder = get_decoder(request["syntax"])
            array, _ = decoder.as_array(source, index=0, raw=True, decoding_plugin="gdcm", **request["options"])
            answer: dict[str, Any] = {"dtype": array.dtype.str, "shape": array.shape}
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
