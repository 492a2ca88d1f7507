"""A scoring process without a model, for tests of its client: ``python fake_service.py``.

It answers ``load``, and ``score`` with as many frames as the command names in ``source``. The ``file`` of a score
makes it misbehave: ``crash`` ends it after two frames, ``garbage`` writes what is no answer, ``silence`` answers
nothing, ``refuse`` answers an error, ``deaf`` ignores everything but the strongest signal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(event: str, **fields: Any) -> None:
    write(json.dumps({"event": event, **fields}))


def score(number: int, what: str, count: int) -> None:
    if what == "garbage":
        write("no answer")
    elif what == "refuse":
        say("error", id=number, text="This file cannot be read.")
    elif what == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("frame", id=number, index=0, pid=os.getpid())
        time.sleep(600)
    elif what != "silence":
        for index in range(count):
            say("frame", id=number, index=index, pid=os.getpid())
            if what == "crash" and index == 1:
                sys.exit("first reason\nlast reason")
        say("finished", id=number, total=count)


def main() -> None:
    say("ready", protocol=int(sys.argv[1]) if len(sys.argv) > 1 else 2, version="9.9", pid=os.getpid())
    for line in sys.stdin:
        command = json.loads(line)
        if command["command"] == "load":
            say("loaded", id=command["id"], model="m")
        elif command["command"] == "score":
            score(command["id"], command["file"], int(command["source"]))
        elif command["command"] == "stop":
            return


if __name__ == "__main__":
    main()
