"""FATE-Serving's clients and peers, by its own bytes: messages are built from field numbers here, not by our stubs."""

from __future__ import annotations

import json
import time
from typing import Any

import aiohttp
import grpc.aio
import pytest
from serving_models import GUEST, HOST, MODEL_ID, Trained, features, rows, start, step, train
from serving_sites import Sites, serve

from fate_serving.pb.proxy_pb2 import Packet
from fate_serving.settings import KeySettings
from fate_serving.signature import sign, signature_of

INFERENCE = "/com.webank.ai.fate.api.serving.InferenceService/"
MODELS = "/com.webank.ai.fate.api.mlmodel.manager.ModelService/"
TRANSFER = "/com.webank.ai.fate.api.networking.proxy.DataTransferService/unaryCall"
VERSION = "202611210700000000010"
HOST_SPACE, GUEST_SPACE = f"host#10000#{MODEL_ID}", f"guest#9999#{MODEL_ID}"


def number(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(place: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return number(place << 3) + number(content)
    content = content.encode() if isinstance(content, str) else content
    return number(place << 3 | 2) + number(len(content)) + content


def fields(message: bytes) -> dict[int, list[Any]]:
    """A message's fields by number."""
    found: dict[int, list[Any]] = {}
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = varint()
        if key & 7 == 0:
            found.setdefault(key >> 3, []).append(varint())
        else:
            assert key & 7 == 2
            size = varint()
            found.setdefault(key >> 3, []).append(message[place : place + size])
            place += size
    return found


async def raw(port: int, method: str, message: bytes) -> dict[int, list[Any]]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return fields(await channel.unary_unary(method)(message, timeout=10))


def publish(role: str, party_id: str, file: str = "", service: str = "") -> bytes:
    """A PublishRequest."""

    def model(party: str, space: str) -> bytes:
        info = field(1, VERSION) + field(2, space)
        return field(1, party) + field(2, field(1, field(1, party_of[party]) + field(2, info)))

    party_of = {"guest": "9999", "host": "10000"}
    local = field(1, role) + field(2, party_id)
    roles = b"".join(field(2, field(1, each) + field(2, field(1, party_of[each]))) for each in party_of)
    models = field(3, model("guest", GUEST_SPACE)) + field(3, model("host", HOST_SPACE))
    more = (field(4, service) if service else b"") + (field(7, "FILE") + field(8, file) if file else b"")
    return field(1, local) + roles + models + more


def packet(command: str, body: dict[str, Any], *, operator: str = "216", version: str = VERSION) -> bytes:
    task = field(2, field(1, HOST_SPACE) + field(2, version))
    src = field(1, "partnerPartyName") + field(2, "9999") + field(3, "serving")
    dst = field(1, "partyName") + field(2, "10000") + field(3, "serving")
    header = field(1, task) + field(2, src) + field(3, dst) + field(4, field(1, command)) + field(5, operator)
    auth = field(5, "case-1") + field(6, "216")
    return field(1, header) + field(2, field(2, json.dumps(body))) + field(3, auth)


async def told(port: int, message: bytes) -> dict[str, Any]:
    reply = await raw(port, TRANSFER, message)
    found: dict[str, Any] = json.loads(fields(reply[2][0])[2][0])
    return found


async def test_a_client_of_fate_serving_loads_binds_and_infers(sites: Sites, trained_lr: Trained) -> None:
    zips = trained_lr.zips(sites.folder / "zips")
    host = await sites.host(trained_lr.tables[HOST])
    guest = await sites.guest((HOST, host))
    for serving, role, party_id, party in ((host, "host", "10000", HOST), (guest, "guest", "9999", GUEST)):
        reply = await raw(serving.ports["listen"], MODELS + "publishLoad", publish(role, party_id, str(zips[party])))
        assert reply.get(1, [0]) == [0], reply
    assert (await raw(guest.ports["listen"], MODELS + "publishBind", publish("guest", "9999", service="s1"))).get(
        1, [0]
    ) == [0]
    listed = await raw(guest.ports["listen"], MODELS + "queryModel", field(6, 0))
    (info,) = map(fields, listed[3])
    assert (info[1], info[2], info[3]) == ([VERSION.encode()], [GUEST_SPACE.encode()], [b"s1"])
    table = trained_lr.tables[GUEST]
    row = {"featureData": features(table, 2), "sendToRemoteFeatureData": {"device_id": "u2"}}
    reply = await raw(
        guest.ports["listen"], INFERENCE + "inference", field(2, json.dumps({"serviceId": "s1", "caseId": "c", **row}))
    )
    said = json.loads(reply[2][0])
    assert (said["retcode"], said["caseid"]) == (0, "c")
    assert set(said["data"]) == {"score", "modelId", "modelVersion", "timestamp"}

    async with aiohttp.ClientSession(f"http://127.0.0.1:{guest.ports['http']}") as session:
        body = {"head": {"serviceId": "s1", "applyId": "a"}, "body": row}
        async with session.post("/federation/v1/inference", json=body, headers={"caseId": "h"}) as answer:
            over_http = await answer.json()
        batch = {"head": {"serviceId": "s1"}, "body": {"batchDataList": [{"index": 0, **row}]}}
        async with session.post("/federation/v1/batchInference", json=batch) as answer:
            rows_over_http = await answer.json()
        async with session.get("/metrics") as answer:
            numbers = await answer.text()
        async with session.get("/ready") as answer:
            assert (answer.status, (await answer.json())["models"]) == (200, 1)
    assert over_http["data"]["score"] == said["data"]["score"]
    assert "caseid" not in over_http
    assert rows_over_http["batchDataList"][0]["data"]["score"] == pytest.approx(said["data"]["score"], abs=1e-12)
    assert 'fate_serving_request_seconds_count{call="inference",service="s1"} 2.0' in numbers
    unbound = field(1, "s1") + field(2, VERSION) + field(3, GUEST_SPACE)
    assert (await raw(guest.ports["listen"], MODELS + "unbind", unbound)).get(1, [0]) == [0]
    assert (await raw(guest.ports["listen"], MODELS + "unbind", unbound))[1] == [126]
    unloaded = field(1, VERSION) + field(2, GUEST_SPACE)
    assert (await raw(guest.ports["listen"], MODELS + "unload", unloaded)).get(1, [0]) == [0]
    assert (await raw(guest.ports["listen"], MODELS + "unload", unloaded))[1] == [104]


async def test_a_guest_of_fate_serving_asks_a_host(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr)
    port = pair.host.ports["federation"]
    said = await told(port, packet("federatedInference", {"sendToRemoteFeatureData": {"device_id": "u1"}}))
    assert said["retcode"] == 0
    score = said["data"]["hetero_lr_0"]["score"]
    assert said["data"]["retcode"] == 0
    batch = [
        {"index": 4, "sendToRemoteFeatureData": {"device_id": "u1"}},
        {"index": 9, "sendToRemoteFeatureData": {"device_id": "nobody"}},
    ]
    said = await told(port, packet("batch", {"batchDataList": batch}))
    first, second = said["batchDataList"]
    assert (first["index"], first["data"]["hetero_lr_0"]["score"]) == (4, pytest.approx(score, abs=1e-12))
    assert (second["index"], second["retcode"]) == (9, 113)
    codes = [
        (await told(port, packet("unknown", {})))["retcode"],
        (await told(port, packet("batch", {})))["retcode"],
        (await told(port, packet("federatedInference", {}, operator="130")))["retcode"],
        (await told(port, packet("federatedInference", {"sendToRemoteFeatureData": {"i": "1"}}, version="7")))[
            "retcode"
        ],
    ]
    assert codes == [125, 100, 100, 104]


@pytest.mark.parametrize("module", ["HeteroLR", "HeteroSecureBoost"])
async def test_a_host_of_fate_serving_is_asked_by_a_guest(sites: Sites, module: str) -> None:
    params = {"encrypt_param": {"key_length": 1024}, **({"max_iter": 2} if module == "HeteroLR" else {"num_trees": 2})}
    components = {**start(), "model_0": step(module, "train_data", "intersection_0.data")}
    trained = train(components, {"model_0": params}, rows(40))
    zips = trained.zips(sites.folder / "zips")
    host = await sites.host(trained.tables[HOST])
    await host.sources.from_file(zips[HOST], None)
    scores = []
    for number_, protocol in enumerate(("fate_federated", "fate_serving")):
        address = f"127.0.0.1:{host.ports['federation']}"
        peer = {"parties": [str(HOST)], "address": address, "protocol": protocol}
        guest = await sites.start(f"guest{number_}", (GUEST,), peers=[peer])
        loaded = await guest.sources.from_file(zips[GUEST], None)
        await guest.shelf.bind("credit", *loaded.key)
        client = sites.client(guest)
        single = await client.score(features(trained.tables[GUEST], 3), "u3")
        batch = [
            {"index": row, "featureData": features(trained.tables[GUEST], row),
             "sendToRemoteFeatureData": {"device_id": f"u{row}"}}
            for row in range(5)
        ]  # fmt: skip
        batch[1]["sendToRemoteFeatureData"] = {"device_id": "nobody"}
        answer = await client.ask("batchInference", {"serviceId": "credit", "batchDataList": batch})
        codes = [row["retcode"] for row in answer["batchDataList"]]
        assert codes == [0, 2113, 0, 0, 0]
        assert single["retcode"] == 0, single
        scores.append(
            [single["data"]["score"], *(row["data"]["score"] for row in answer["batchDataList"] if "data" in row)]
        )
    assert scores[0] == pytest.approx(scores[1], abs=1e-12)


KEY = KeySettings(party_id="9999", app_key="k", app_secret="s3cret")


async def test_signed_requests_are_taken_once_and_in_time(sites: Sites, trained_lr: Trained) -> None:
    zips = trained_lr.zips(sites.folder / "zips")
    signed = {"keys": [KEY.model_dump()]}
    host = await sites.host(trained_lr.tables[HOST], signature=signed)
    await host.sources.from_file(zips[HOST], None)
    port = host.ports["federation"]

    def request(key: KeySettings = KEY, at: float = 0.0) -> Packet:
        made = Packet.FromString(packet("federatedInference", {"sendToRemoteFeatureData": {"device_id": "u1"}}))
        sign(made, key, "sha1", time.time() + at)
        return made

    good = request()
    assert (await told(port, good.SerializeToString()))["retcode"] == 0
    assert (await told(port, good.SerializeToString()))["retcode"] == 129, "a replay"
    changed = request()
    changed.header.task.model.tableName = "other"
    others = [
        request(at=-20), request(at=20), changed, request(KEY.model_copy(update={"app_secret": "guess"})),
        request(KEY.model_copy(update={"app_key": "x"})), Packet.FromString(packet("federatedInference", {})),
    ]  # fmt: skip
    for other in others:
        assert (await told(port, other.SerializeToString()))["retcode"] == 129
    own = {"parties": [str(HOST)], "address": f"127.0.0.1:{port}", "protocol": "fate_serving"}
    guest = await sites.start("signing", (GUEST,), peers=[own], signature={"keys": [], "own": KEY.model_dump()})
    loaded = await guest.sources.from_file(zips[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    answer = await sites.client(guest).score(features(trained_lr.tables[GUEST], 1), "u1")
    assert answer["retcode"] == 0, answer


def test_a_signature_is_what_the_facts_say() -> None:
    """HMAC-SHA1 of timestamp, header and body, each on a line, made with openssl."""
    made = Packet()
    made.header.src.partyId = "9999"
    made.header.command.name = "a=b"
    made.body.value = b'{"x":1}'
    made.auth.timestamp = 1700000000000
    # printf '1700000000000\n{"src":{"partyId":"9999"},"command":{"name":"a\\u003db"}}\n{"value":"eyJ4IjoxfQ=="}' |
    #   openssl dgst -sha1 -hmac s3cret -binary | base64
    assert signature_of(made, "s3cret", "sha1") == "vvIWivpFgS2otnA2acIrvTLm3Q0="
