"""``python -m fate_federated.gateway --site PATH/site.yaml``: run a site's gateway until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

from fate_federated.errors import FateFederatedError
from fate_federated.gateway.server import build_gateway
from fate_federated.settings import SiteSettings, load_site


async def serve(site: SiteSettings) -> None:
    """Run a gateway until a signal asks it to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gateway = build_gateway(site)
    try:
        await gateway.start()
        await stop.wait()
    finally:
        await gateway.stop()


def main() -> int:
    """Read the settings, set up the log, serve."""
    parser = argparse.ArgumentParser(prog="python -m fate_federated.gateway", description="A site's gateway.")
    parser.add_argument("--site", type=Path, required=True, help="path of site.yaml")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("dvc").setLevel(logging.WARNING)
    try:
        uvloop.run(serve(load_site(arguments.site)))
    except FateFederatedError as error:
        logging.getLogger("fate_federated.gateway").error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
