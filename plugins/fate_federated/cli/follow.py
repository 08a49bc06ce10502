"""Reading a log that grows and is rotated."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

POLL_SECONDS = 0.25


def last_lines(file: Path, count: int) -> tuple[list[str], int]:
    """The last whole lines of a file, and the place in it where they end."""
    lines: deque[bytes] = deque(maxlen=count)
    end = 0
    with file.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                lines.append(line)
                end += len(line)
    return [_text(line) for line in lines], end


def follow_file(file: Path, start: int) -> Iterator[str]:
    """Lines from a place in the file on, as they are appended, through rotations, for ever."""
    stream = file.open("rb")
    stream.seek(start)
    rest = b""
    while True:
        data = stream.read()
        if data:
            *lines, rest = (rest + data).split(b"\n")
            yield from map(_text, lines)
        elif file.exists() and file.stat().st_ino != os.fstat(stream.fileno()).st_ino:
            stream.close()
            stream = file.open("rb")
        else:
            time.sleep(POLL_SECONDS)


def _text(line: bytes) -> str:
    return line.rstrip(b"\n").decode("utf-8", errors="replace")
