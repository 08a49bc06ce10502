"""Adapters and processors of another package, found by its entry points as they are when it is installed."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from serving_models import GUEST, HOST, Trained, features
from serving_sites import Sites

from fate_federated.errors import ConfigError

CODE = """
from fate_serving.codes import Code, ServingError


class Shelf:
    def __init__(self, *, home, rows):
        self.rows = rows

    async def fetch(self, rows):
        return [self.rows.get(row["device_id"]) for row in rows]

    async def close(self):
        self.rows = {}


class Consent:
    async def before(self, service_id, body):
        if not body.get("consent"):
            raise ServingError(Code.PARAMETER, f"{service_id} asks for consent.")
        return {**body, "featureData": {**body["featureData"], "g1": body["featureData"]["g1"] / 2}}

    async def after(self, service_id, body, answer):
        return {**answer, "checked": True}
"""
POINTS = """
[fate_serving.adapters]
shop = shop_serving:Shelf
[fate_serving.processors]
consent = shop_serving:Consent
"""


async def test_a_package_brings_an_adapter_and_a_processor(
    sites: Sites, trained_lr: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    about = installed / "shop_serving-3.1.dist-info"
    about.mkdir(parents=True)
    (installed / "shop_serving.py").write_text(CODE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-serving\nVersion: 3.1\n")
    (about / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(installed)

    zips = trained_lr.zips(sites.folder / "zips")
    adapter = {"kind": "shop", "options": {"rows": {"u0": features(trained_lr.tables[HOST], 0)}}}
    host = await sites.start("host", (HOST,), adapter=adapter)
    guest = await sites.guest((HOST, host), processors=["consent"])
    await host.sources.from_file(zips[HOST], None)
    loaded = await guest.sources.from_file(zips[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    client, row = sites.client(guest), features(trained_lr.tables[GUEST], 0)
    said = {"serviceId": "credit", "sendToRemoteFeatureData": {"device_id": "u0"}}
    answer = await client.ask("inference", {**said, "featureData": {**row, "g1": 2 * row["g1"]}, "consent": True})
    offline = trained_lr.predicted(trained_lr.tables, "hetero_lr_0").data
    expected = dict(zip(offline["id"].to_pylist(), offline["predict_score"].to_pylist(), strict=True))
    assert (answer["retcode"], answer["checked"]) == (0, True)
    assert answer["data"]["score"] == pytest.approx(expected["u0"], abs=1e-9)
    refused = await client.ask("inference", {**said, "featureData": row})
    assert (refused["retcode"], refused["retmsg"]) == (100, "credit asks for consent.")
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{guest.ports['http']}") as session,
        session.get("/ready") as ready,
    ):
        assert (await ready.json())["processors"] == {"consent": "3.1"}
    with pytest.raises(ConfigError, match="'shop' cannot be opened with these options"):
        await sites.start("wrong", (HOST,), adapter={"kind": "shop", "options": {"colour": "red"}})
