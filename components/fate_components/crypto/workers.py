"""The helper processes of this process: one per core, started when first needed, kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import IO, Any, cast

from fate_components.crypto.worker import read_answer, write_request
from fate_federated.errors import CryptoError

Request = tuple[dict[str, Any], bytes]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """A set of helper processes that any thread may give work to."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * count
        self._idle = deque(range(count))
        self._given_back = threading.Condition()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="crypto-worker")

    def run(self, requests: Sequence[Request], *, pinned: bool = False) -> list[bytes]:
        """The answers, in order.

        Args:
            pinned: each goes to the process that has had the one in its place before, if that is idle.

        Raises:
            CryptoError: a helper process ended; the operating system may have run out of memory.
        """
        wished = [place % self.count if pinned else None for place in range(len(requests))]
        return list(self._threads.map(self._ask, requests, wished))

    def _take(self, wished: int | None) -> int:
        with self._given_back:
            self._given_back.wait_for(lambda: self._idle)
            if wished is None or wished not in self._idle:
                return self._idle.popleft()
            self._idle.remove(wished)
            return wished

    def _give_back(self, place: int) -> None:
        with self._given_back:
            self._idle.append(place)
            self._given_back.notify()

    def _ask(self, request: Request, wished: int | None) -> bytes:
        place = self._take(wished)
        worker = self._processes[place]
        try:
            if worker is None:
                worker = _start()
            write_request(cast(IO[bytes], worker.stdin), *request)
            answer = read_answer(cast(IO[bytes], worker.stdout))
        except (OSError, EOFError) as error:
            code = worker.wait() if worker else None
            worker = None
            raise CryptoError(
                f"A helper process that computes on ciphertexts ended (exit code {code}). "
                "See this task's log for its traceback; without one, look for the system's out-of-memory killer."
            ) from error
        finally:
            self._processes[place] = worker
            self._give_back(place)
        return answer


def _start() -> subprocess.Popen[bytes]:
    # -P: nothing in the working folder may stand in for a module. A session of its own: a Ctrl-C in a terminal is for
    # the parent, whose end the worker sees.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "fate_components.crypto.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # There is one for each core: NumPy's threads would only be more to start.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )


_lock = threading.Lock()


def shared_workers() -> Workers:
    """The helper processes of this process; a forked child gets its own."""
    with _lock:
        return _workers_of(os.getpid())


@cache
def _workers_of(_pid: int) -> Workers:
    return Workers(cores())
