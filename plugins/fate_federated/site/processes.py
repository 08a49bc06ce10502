"""The operating system's processes of a site: which they are, what memory they hold, ending them all."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import psutil

from fate_federated.site.layout import SiteLayout

STOP_SECONDS = 60.0
"""Longer than supervisord's own waits before it kills, added up."""
LEFTOVER_SECONDS = 3.0
SAME_START_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class DaemonRecord:
    """Which process is, or was, a site's supervisord.

    Attributes:
        created: its start, seconds since 1970, so that a later process with its id is not taken for it.
    """

    pid: int
    created: float


def record_daemon(layout: SiteLayout, pid: int) -> None:
    """Remember the site's supervisord, which leads a session of its own."""
    record = DaemonRecord(pid, psutil.Process(pid).create_time())
    layout.daemon_state.write_text(json.dumps(asdict(record)), encoding="utf-8")


def recorded_daemon(layout: SiteLayout) -> DaemonRecord | None:
    """The remembered supervisord, dead or alive; None after a clean stop."""
    try:
        return DaemonRecord(**json.loads(layout.daemon_state.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def daemon_process(record: DaemonRecord) -> psutil.Process | None:
    """The remembered process, if it still runs."""
    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.created) > SAME_START_SECONDS or _is_dead(process):
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def _is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except psutil.NoSuchProcess:
        return True


def members(record: DaemonRecord) -> set[psutil.Process]:
    """All processes of the site but supervisord itself.

    Its descendants, and those of its session: on Linux an orphan among them becomes its child, and when supervisord
    was killed its session still tells its processes.
    """
    found = set[psutil.Process]()
    daemon = daemon_process(record)
    if daemon is not None:
        found |= _descendants(daemon)
    elif psutil.pid_exists(record.pid) and not _is_zombie(record.pid):
        return found  # Another process has that id now, and perhaps that session.
    for pid in psutil.pids():
        try:
            if pid != record.pid and os.getsid(pid) == record.pid:
                found.add(psutil.Process(pid))
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return {process for process in found if not _is_dead(process)}


def _is_zombie(pid: int) -> bool:
    try:
        return _is_dead(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def _descendants(process: psutil.Process) -> set[psutil.Process]:
    try:
        return set(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not end the tidying up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_all(layout: SiteLayout) -> bool:
    """Stop a site: SIGTERM to supervisord, which stops its programs in order; what is left after that is killed.

    Returns:
        whether anything ran.
    """
    with _undisturbed():
        return _stop_all(layout)


def _stop_all(layout: SiteLayout) -> bool:
    record = recorded_daemon(layout)
    if record is None:
        return False
    daemon = daemon_process(record)
    seen = members(record)
    ran = bool(seen) or daemon is not None
    if daemon is not None:
        daemon.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            gone, _ = psutil.wait_procs([daemon], timeout=0.2)
            if gone:
                break
            seen |= members(record)
        else:
            daemon.kill()
            psutil.wait_procs([daemon], timeout=LEFTOVER_SECONDS)
    end_processes(seen | members(record))
    layout.daemon_state.unlink(missing_ok=True)
    return ran


def end_processes(processes: Iterable[psutil.Process]) -> None:
    """SIGTERM, a few seconds, SIGKILL."""
    alive = [process for process in processes if process.is_running()]
    for process in alive:
        _send(process, kill=False)
    _, alive = psutil.wait_procs(alive, timeout=LEFTOVER_SECONDS)
    for process in alive:
        _send(process, kill=True)
    psutil.wait_procs(alive, timeout=LEFTOVER_SECONDS)


def _send(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of some processes.

    Attributes:
        pss_bytes: each page counted once, shared ones in equal parts (proportional set size): what they really take.
        rss_bytes: shared pages counted by each process that maps them.
    """

    pss_bytes: int = 0
    rss_bytes: int = 0

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.pss_bytes + other.pss_bytes, self.rss_bytes + other.rss_bytes)


def memory_of(processes: Iterable[psutil.Process]) -> Memory:
    """The memory of these processes; those that ended meanwhile count nothing."""
    total = Memory()
    for process in processes:
        try:
            info = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # Airflow makes the processes of tasks undumpable, and only root reads the pages of such.
            continue
        total += Memory(getattr(info, "pss", info.uss), info.rss)
    return total


def tree(pid: int) -> set[psutil.Process]:
    """A process and its descendants; empty when it does not run."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return set()
    return {process} | _descendants(process)
