"""A site's processes are found and ended, also those that left their group or lost their parent."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fate_federated.site.layout import SiteLayout
from fate_federated.site.processes import (
    daemon_process,
    members,
    memory_of,
    record_daemon,
    recorded_daemon,
    stop_all,
    tree,
)

# A leader that starts a child in a group of its own, which starts a grandchild; each ignores SIGTERM if told so.
FAMILY = """
import os, signal, subprocess, sys, time
depth, stubborn = int(sys.argv[1]), sys.argv[2] == "stubborn"
if stubborn and depth < 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1), sys.argv[2]], process_group=0)
else:
    print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def layout(tmp_path: Path) -> SiteLayout:
    layout = SiteLayout(tmp_path)
    layout.run.mkdir()
    return layout


class Family:
    """Three generations of processes, as a site's supervisord would have them."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "family.py"
        self._program.write_text(FAMILY)
        self.seen: set[psutil.Process] = set()

    def start(self, layout: SiteLayout, kind: str = "meek") -> psutil.Process:
        leader = subprocess.Popen(
            [sys.executable, str(self._program), "2", kind], stdout=subprocess.PIPE, start_new_session=True
        )
        assert leader.stdout is not None
        assert leader.stdout.readline() == b"ready\n"
        record_daemon(layout, leader.pid)
        self.seen |= tree(leader.pid)
        return psutil.Process(leader.pid)

    def alive(self) -> set[psutil.Process]:
        return {process for process in self.seen if process.is_running() and process.status() != "zombie"}


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    family = Family(tmp_path)
    yield family
    for process in family.alive():
        process.kill()


def test_nothing_runs_in_a_new_folder(layout: SiteLayout) -> None:
    assert recorded_daemon(layout) is None
    assert stop_all(layout) is False


@pytest.mark.parametrize("kind", ["meek", "stubborn"])
def test_all_generations_are_ended(layout: SiteLayout, family: Family, kind: str) -> None:
    family.start(layout, kind)
    assert len(family.alive()) == 3
    assert stop_all(layout) is True
    assert family.alive() == set()
    assert stop_all(layout) is False


def test_orphans_of_a_killed_leader_are_ended(layout: SiteLayout, family: Family) -> None:
    leader = family.start(layout)
    leader.kill()
    leader.wait()
    record = recorded_daemon(layout)
    assert record is not None
    assert daemon_process(record) is None
    assert len(members(record)) == 2
    assert stop_all(layout) is True
    assert family.alive() == set()


def test_another_process_with_the_remembered_id_is_left_alone(layout: SiteLayout, family: Family) -> None:
    leader = family.start(layout)
    state = layout.daemon_state
    state.write_text(state.read_text().replace(f"{leader.create_time()}", f"{leader.create_time() - 3600}"))
    assert stop_all(layout) is False
    assert len(family.alive()) == 3


def test_memory_counts_shared_pages_once(layout: SiteLayout, family: Family) -> None:
    leader = family.start(layout)
    processes = tree(leader.pid)
    assert len(processes) == 3
    memory = memory_of(processes)
    # Three interpreters share their program's pages at the least.
    assert 0 < memory.pss_bytes < memory.rss_bytes
    leader.kill()
    deadline = time.monotonic() + 5
    while tree(leader.pid) and leader.status() != "zombie" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert memory_of([leader]).pss_bytes == 0


def test_a_socket_fits_where_the_path_does_not(tmp_path: Path) -> None:
    assert SiteLayout(tmp_path).socket == tmp_path / "run" / "supervisor.sock"
    deep = tmp_path / ("very-" * 30)
    other = SiteLayout(deep / "other").socket
    assert len(bytes(SiteLayout(deep).socket)) <= 100
    assert SiteLayout(deep).socket != other
