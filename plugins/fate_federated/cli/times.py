"""Times for people."""

from __future__ import annotations

from datetime import datetime


def moment(seconds: float) -> str:
    """Seconds since 1970 as local time; empty for 0, which means not yet."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def duration(seconds: float) -> str:
    """``3.2 s`` or ``1:02:03``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
