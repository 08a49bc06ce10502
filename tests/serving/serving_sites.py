"""Sites that serve, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import orjson
import pyarrow.csv as pa_csv
from serving_models import GUEST, HOST, MODEL_ID, Trained

from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.task.table import Table
from fate_serving.codes import Code, ServingError
from fate_serving.model_sources import Versions
from fate_serving.pb.inference_service_pb2 import InferenceMessage
from fate_serving.pb.inference_service_pb2_grpc import InferenceServiceStub
from fate_serving.server import Serving, build
from fate_serving.settings import ServingSettings

ANYWHERE = {"listen": "127.0.0.1:0", "http": "127.0.0.1:0", "federation": "127.0.0.1:0"}


@dataclass
class Client:
    """An application."""

    channel: grpc.aio.Channel

    async def ask(self, call: str, said: Any, timeout: float = 20) -> dict[str, Any]:
        body = said if isinstance(said, bytes) else orjson.dumps(said)
        stub = InferenceServiceStub(self.channel)
        reply = await getattr(stub, call)(InferenceMessage(body=body), timeout=timeout)
        found: dict[str, Any] = orjson.loads(reply.body)
        return found

    async def score(self, features: Mapping[str, Any], remote: str, service: str = "credit") -> dict[str, Any]:
        return await self.ask(
            "inference",
            {"serviceId": service, "featureData": features, "sendToRemoteFeatureData": {"device_id": remote}},
        )


class Sites:
    """Starts sites, and stops them at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Serving] = []
        self._channels: list[grpc.aio.Channel] = []

    async def start(
        self, name: str, parties: tuple[Party, ...], versions: Versions | None = None, tls: Any = None, **settings: Any
    ) -> Serving:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        site = SiteSettings(name=name, parties=tuple(map(str, parties)), tls=tls, home=home)
        serving = build(site, ServingSettings.model_validate({**ANYWHERE, **settings, "home": home}), versions)
        await serving.start()
        self._running.append(serving)
        return serving

    async def host(
        self, table: Table, party: Party = HOST, name: str = "host", parties: tuple[Party, ...] = (), **settings: Any
    ) -> Serving:
        """A host that has these rows, or a site of several parties with it among them."""
        file = self.folder / f"{name}.csv"
        pa_csv.write_csv(table.data, file)
        adapter = {"kind": "table", "options": {"path": str(file), "id_column": "id"}}
        return await self.start(name, parties or (party,), **{"adapter": adapter, **settings})

    async def guest(self, *hosts: tuple[Party, Serving], **settings: Any) -> Serving:
        """A guest that asks these hosts."""
        peers = [{"parties": [str(party)], "address": f"127.0.0.1:{host.ports['federation']}"} for party, host in hosts]
        return await self.start("guest", (GUEST,), **{"peers": peers, **settings})

    def client(self, serving: Serving) -> Client:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{serving.ports['listen']}")
        self._channels.append(channel)
        return Client(channel)

    def running(self, name: str) -> Serving:
        """The last site of that name."""
        return next(each for each in reversed(self._running) if each.site.name == name)

    async def stop(self, serving: Serving) -> None:
        self._running.remove(serving)
        await serving.stop()

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
        for serving in reversed(self._running):
            await serving.stop()


class FolderVersions:
    """Versions by name, each a folder of zips by party."""

    def __init__(self, **refs: tuple[str, Path]) -> None:
        self.refs = refs

    async def fetch(self, ref: str, party: Party, folder: Path) -> Path:
        for name, (version, zips) in self.refs.items():
            if ref in (name, version):
                return zips / f"{party}.zip"
        raise ServingError(Code.LOAD, f"no version {ref}")

    async def resolve(self, ref: str, model: str = "") -> tuple[str, str]:
        for name, (version, _) in self.refs.items():
            if ref in (name, version):
                return MODEL_ID, version
        raise ServingError(Code.LOAD, f"no version {ref}")


@dataclass
class Pair:
    """A guest and a host that serve HeteroLR."""

    guest: Serving
    host: Serving
    client: Client
    trained: Trained


async def serve(sites: Sites, trained: Trained, **settings: Any) -> Pair:
    """Serve a training of one guest and one host, bound to ``credit``."""
    zips = trained.zips(sites.folder / "zips")
    host = await sites.host(trained.tables[HOST])
    guest = await sites.guest((HOST, host), **settings)
    await host.sources.from_file(zips[HOST], None)
    loaded = await guest.sources.from_file(zips[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    return Pair(guest, host, sites.client(guest), trained)
