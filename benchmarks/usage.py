"""What a benchmark's process used so far, its helpers that live and those that ended with it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

PROC = Path("/proc")


def processor_seconds() -> float:
    """Of all processors."""
    ended = sum(
        use.ru_utime + use.ru_stime for use in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    # Fields 14 and 15 of proc(5), counted behind the name in brackets.
    ticks = [(PROC / child / "stat").read_text().rpartition(")")[2].split()[11:13] for child in _children()]
    return ended + sum(int(user) + int(system) for user, system in ticks) / os.sysconf("SC_CLK_TCK")


def peak_megabytes() -> float:
    """The sum of each process's most; of helpers that ended one after the other, the largest."""
    ended = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    lines = [line for child in _children() for line in (PROC / child / "status").read_text().splitlines()]
    return (ended + sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))) / 1024


def _children() -> list[str]:
    return [child for file in PROC.glob("self/task/*/children") for child in file.read_text().split()]
