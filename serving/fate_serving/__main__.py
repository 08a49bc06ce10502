"""``python -m fate_serving --site FOLDER``: the serving process of a site, in the foreground.

With several workers this process starts as many, starts again those that end by themselves, and passes on the signal
to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from fate_federated.errors import FateFederatedError
from fate_federated.settings import SiteSettings, load_site
from fate_serving.metrics import SEVERAL_PROCESSES
from fate_serving.settings import ServingSettings, load_settings

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient

log = logging.getLogger("fate_serving")

RESTART_SECONDS = 1.0
POLL_SECONDS = 0.2
PARENT_SECONDS = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fate_serving")
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--worker", action="store_true", help="one of several that share the ports")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        site = load_site(given.site)
        settings = load_settings(site)
        if settings.workers > 1 and not given.worker:
            return _supervise(given.site, settings)
        uvloop.run(_serve(site, settings, os.getppid() if given.worker else None))
    except FateFederatedError as error:
        log.error("%s", error)
        return 1
    return 0


async def _serve(site: SiteSettings, settings: ServingSettings, parent: int | None) -> None:
    from fate_serving.model_sources import Registry
    from fate_serving.server import build

    serving = build(site, settings, Registry(_gateway_of(site)))
    stopped = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    try:
        await serving.start()
        # What stays until the end need not be looked through for garbage again and again.
        gc.collect()
        gc.freeze()
        log.info("ready")
        async with asyncio.TaskGroup() as group:
            parted = None if parent is None else group.create_task(_end_with(parent, stopped))
            await stopped.wait()
            if parted is not None:
                parted.cancel()
    finally:
        await serving.stop()


async def _end_with(parent: int, stopped: asyncio.Event) -> None:
    """Stop where the process that started this one was killed: nobody else would, and the ports would stay shared."""
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_SECONDS)
    log.error("the process that started this worker is gone")
    stopped.set()


def _gateway_of(site: SiteSettings) -> Callable[[], GatewayClient]:
    def connect() -> GatewayClient:
        from fate_federated.site.site import Site

        return Site(site.home).gateway()

    return connect


def _supervise(site: Path, settings: ServingSettings) -> int:
    numbers = settings.store / "metrics"
    shutil.rmtree(numbers, ignore_errors=True)
    numbers.mkdir(parents=True)
    environment = {**os.environ, SEVERAL_PROCESSES: str(numbers)}
    command = [sys.executable, "-m", "fate_serving", "--site", str(site), "--worker"]
    workers: list[subprocess.Popen[bytes]] = []
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True
        for worker in workers:
            worker.terminate()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    started = time.monotonic()
    try:
        while not stopping:
            for worker in [worker for worker in workers if worker.poll() is not None]:
                if time.monotonic() - started < RESTART_SECONDS:
                    return worker.returncode or 1
                log.error("worker %d ended with %d: another takes its place", worker.pid, worker.returncode)
                workers.remove(worker)
                time.sleep(RESTART_SECONDS)
            while len(workers) < settings.workers and not stopping:
                workers.append(subprocess.Popen(command, env=environment))  # noqa: S603 - no shell
            time.sleep(POLL_SECONDS)
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                worker.terminate()
        for worker in workers:
            worker.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
