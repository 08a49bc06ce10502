"""Helper processes: they answer, are replaced when they die, and do not outlive who started them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from gmpy2 import mpz

from fate_components.crypto.integers import pack, unpack
from fate_components.crypto.workers import Request, Workers
from fate_federated.errors import CryptoError

MODULUS = mpz(2**61 - 1)


def powers(bases: list[int], exponent: int) -> Request:
    operation = {"name": "powers", "modulus": MODULUS.digits(16), "width": 8, "count": len(bases)}
    exponents = b"".join(exponent.to_bytes(8, "little", signed=True) for _ in bases)
    return operation, pack([mpz(base) for base in bases], 8) + exponents


@pytest.fixture
def workers() -> Workers:
    return Workers(2)


def test_answers_come_in_the_order_of_the_requests(workers: Workers) -> None:
    answers = workers.run([powers([base, base + 1], 3) for base in range(1, 20)])
    assert [unpack(answer, 8) for answer in answers] == [[base**3, (base + 1) ** 3] for base in range(1, 20)]


def test_a_worker_that_dies_is_said_so_and_replaced(workers: Workers) -> None:
    others = set(psutil.Process().children())
    workers.run([powers([2], 3)] * 2)
    own = set(psutil.Process().children()) - others
    assert len(own) == 2
    for child in own:
        child.kill()
    with pytest.raises(CryptoError, match="exit code -9"):
        workers.run([powers([2], 3)])
    with pytest.raises(CryptoError, match="exit code -9"):
        workers.run([powers([2], 3)])
    assert unpack(workers.run([powers([2], 3)])[0], 8) == [8]


def test_what_a_worker_cannot_do_ends_it(workers: Workers) -> None:
    with pytest.raises(CryptoError, match="exit code 1"):
        workers.run([({"name": "format", "modulus": "7", "width": 1}, b"")])


def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = """
import psutil, sys, time
from fate_components.crypto.workers import shared_workers
from test_workers import powers
shared_workers().run([powers([2], 3)])
print(psutil.Process().children()[0].pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    assert "fate_components.crypto.worker" in worker.cmdline()
    parent.kill()
    parent.wait(10)
    worker.wait(10)
