"""Reading a log that grows and is rotated."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

POLL_SECONDS = 0.25


def last_lines(file: Path, count: int) -> list[str]:
    """The last lines of a file."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        return [line.rstrip("\n") for line in deque(stream, maxlen=count)]


def follow_file(file: Path) -> Iterator[str]:
    """Lines as they are appended from now on, through rotations, for ever."""
    stream = file.open(encoding="utf-8", errors="replace")
    stream.seek(0, 2)
    rest = ""
    while True:
        text = stream.read()
        if text:
            *lines, rest = (rest + text).split("\n")
            yield from lines
            continue
        if file.exists() and file.stat().st_ino != _inode(stream.fileno()):
            stream.close()
            stream = file.open(encoding="utf-8", errors="replace")
            continue
        time.sleep(POLL_SECONDS)


def _inode(descriptor: int) -> int:
    import os

    return os.fstat(descriptor).st_ino
