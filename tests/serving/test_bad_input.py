"""What is wrong gets FATE-Serving's code and a message that names it; nothing ends the process."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_models import GUEST, HOST, Trained, features
from serving_sites import Sites, serve

from fate_serving.bodies import batch_in, parse_json, single_in
from fate_serving.codes import ServingError
from fate_serving.pb import model_service_pb2 as pb
from fate_serving.pb.model_service_pb2_grpc import ModelServiceStub

REMOTE = {"device_id": "u0"}


def request(trained: Trained, **changed: Any) -> dict[str, Any]:
    whole = {
        "serviceId": "credit",
        "featureData": features(trained.tables[GUEST], 0),
        "sendToRemoteFeatureData": REMOTE,
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


async def test_a_wrong_request_gets_its_code_and_names_what_is_wrong(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr, batch_rows=5)
    good = features(trained_lr.tables[GUEST], 0)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"serviceId": None}, 100, "serviceId"),
        ({"serviceId": 7}, 100, "serviceId"),
        ({"serviceId": "unknown"}, 122, "unknown"),
        ({"featureData": None}, 100, "featureData"),
        ({"featureData": [1]}, 100, "featureData"),
        ({"featureData": {"other": 1}}, 102, "other"),
        ({"featureData": {**good, "g1": "many"}}, 102, "g1"),
        ({"featureData": {**good, "g1": None}}, 102, "g1"),
        ({"featureData": {**good, "g1": [1]}}, 102, "g1"),
        ({"featureData": {**good, "g1": 1e400}}, 100, "JSON"),
        ({"featureData": {**good, "g1": 10**400}}, 100, "JSON"),
        ({"sendToRemoteFeatureData": None}, 100, "sendToRemoteFeatureData"),
        ({"sendToRemoteFeatureData": {"device_id": "nobody"}}, 2113, "host-10000"),
        ({"sendToRemoteFeatureData": {"device_id": {"$ne": 1}}}, 2113, "host-10000"),
        ({"caseId": "x" * 500}, 100, "caseId"),
    ]
    for changed, code, word in cases:
        body = json.dumps(request(trained_lr, **changed)).encode()
        answer = await pair.client.ask("inference", body)
        assert answer["retcode"] == code, (changed, answer)
        assert word in answer["retmsg"], answer
        assert "data" not in answer
        assert "Traceback" not in answer["retmsg"]
    row = {"featureData": good, "sendToRemoteFeatureData": REMOTE}
    batches: list[tuple[Any, int, str]] = [
        (None, 100, "batchDataList"),
        ([], 100, "batchDataList"),
        ([{"index": 0, **row}] * 2, 100, "batchDataList[1].index 0"),
        ([row], 100, "batchDataList[0].index"),
        ([{"index": place, **row} for place in range(6)], 100, "5 are the most"),
        ([7], 100, "batchDataList[0]"),
        ([{"index": 1, "featureData": good}], 100, "index 1"),
    ]
    for rows, code, word in batches:
        answer = await pair.client.ask("batchInference", {"serviceId": "credit", "batchDataList": rows})
        assert (answer["retcode"], word in answer["retmsg"]) == (code, True), answer
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"'):
        assert (await pair.client.ask("inference", body))["retcode"] == 100
    async with aiohttp.ClientSession(f"http://127.0.0.1:{pair.guest.ports['http']}") as session:
        for path, body in (("inference", b"{"), ("other", b"{}"), ("inference", b'{"head": 1}'), ("inference", b"{}")):
            async with session.post(f"/federation/v1/{path}", data=body) as reply:
                assert (reply.status, (await reply.json())["retcode"]) == (200, 100)
    assert (await pair.client.ask("inference", request(trained_lr)))["retcode"] == 0


async def test_models_that_cannot_be_loaded_are_refused_and_leave_nothing(
    sites: Sites, trained_lr: Trained, tmp_path: Path
) -> None:
    zips = trained_lr.zips(sites.folder / "zips")
    guest = await sites.start("guest", (GUEST,))
    good = zips[GUEST].read_bytes()
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "short.zip").write_bytes(good[: len(good) // 2])
    broken = bytearray(good)
    broken[len(good) // 3] ^= 255
    (tmp_path / "broken.zip").write_bytes(broken)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("../../outside", "x")
    local = pb.LocalInfo(role="guest", partyId="9999")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{guest.ports['listen']}") as channel:
        stub = ModelServiceStub(channel)
        for name in ("text", "short", "broken", "other", "absent"):
            reply = await stub.publishLoad(pb.PublishRequest(local=local, filePath=str(tmp_path / f"{name}.zip")))
            assert reply.statusCode == 107, (name, reply.message)
            assert reply.message
        theirs = pb.PublishRequest(local=local, filePath=str(zips[HOST]))
        assert (await stub.publishLoad(theirs)).statusCode == 107
        nobody = pb.PublishRequest(local=pb.LocalInfo(role="boss", partyId="1"), filePath=str(zips[GUEST]))
        assert (await stub.publishLoad(nobody)).statusCode == 100
        unknown = pb.PublishRequest(local=local, serviceId="s", namespace="guest#9999#x", tableName="1")
        reply = await stub.publishBind(unknown)
        assert (reply.statusCode, "not loaded" in reply.message) == (109, True)
    assert guest.shelf.everything() == ()
    assert list((sites.folder / "guest" / "serving" / "models").iterdir()) == []


async def test_a_component_that_cannot_be_served_is_refused_by_name(sites: Sites, trained_lr: Trained) -> None:
    components = {**trained_lr.dsl["components"]}
    components["nn_0"] = {**components["hetero_lr_0"], "module": "HeteroNN"}
    other = Trained(
        {"components": components}, trained_lr.conf, trained_lr.parties, trained_lr.tables,
        trained_lr.pipeline, trained_lr.results,
    )  # fmt: skip
    guest = await sites.start("guest", (GUEST,))
    with pytest.raises(ServingError, match=r"nn_0 \(HeteroNN\) cannot be served") as caught:
        await guest.sources.from_file(other.zips(sites.folder / "zips")[GUEST], None)
    assert caught.value.code == 123


async def test_a_host_with_the_part_of_another_training_is_found_out(sites: Sites, trained_lr: Trained) -> None:
    """Its answers have another width, or are none."""
    from serving_models import rows, start, step, train

    components = {**start(), "hetero_lr_0": step("HeteroLR", "train_data", "intersection_0.data")}
    params = {"hetero_lr_0": {"max_iter": 1, "encrypt_param": {"key_length": 1024}}}
    other = train(components, params, rows(40, classes=3))
    host = await sites.host(trained_lr.tables[HOST])
    guest = await sites.guest((HOST, host))
    await host.sources.from_file(other.zips(sites.folder / "other")[HOST], None)
    loaded = await guest.sources.from_file(trained_lr.zips(sites.folder / "zips")[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    answer = await sites.client(guest).ask("inference", request(trained_lr))
    assert (answer["retcode"], "host-10000" in answer["retmsg"]) == (2135, True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
members = st.sampled_from(
    ["serviceId", "featureData", "sendToRemoteFeatureData", "batchDataList", "caseId", "index", "head", "body", "g1"]
)
bodies = st.dictionaries(members, anything | st.lists(st.dictionaries(members, anything, max_size=4), max_size=3))


@given(st.binary(max_size=200) | bodies.map(lambda body: json.dumps(body).encode()))
def test_any_body_is_understood_or_refused(body: bytes) -> None:
    codes = {0}
    for read in (single_in, lambda said: batch_in(said, 10)):
        try:
            read(parse_json(body))
        except ServingError as error:
            codes.add(error.code)
    assert codes <= {0, 100}


async def test_any_bytes_at_any_port_leave_the_process_up(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr)
    loop = asyncio.get_running_loop()
    inference, models, common, transfer = (
        f"/com.webank.ai.fate.api.{name}/"
        for name in (
            "serving.InferenceService",
            "mlmodel.manager.ModelService",
            "networking.common.CommonService",
            "networking.proxy.DataTransferService",
        )
    )
    names = [inference + "inference", inference + "batchInference", common + "listProps"]
    names += [models + name for name in ("publishLoad", "publishBind", "queryModel")]
    ports = [(pair.guest.ports["listen"], name) for name in names]
    ports.append((pair.host.ports["federation"], transfer + "unaryCall"))
    calls = []
    for port, name in ports:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        calls.append((name, channel, channel.unary_unary(name)))

    async def send(call: Any, content: bytes) -> grpc.StatusCode:
        reply = call(content, timeout=5)
        code = await reply.code()
        assert "Traceback" not in (await reply.details() or "")
        return code

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary(max_size=80), bodies)
    def fuzz(content: bytes, body: dict[str, Any]) -> None:
        wrapped = orjson.dumps(json.loads(json.dumps(body)), option=orjson.OPT_NON_STR_KEYS) if _plain(body) else b"{}"
        message = b"\x12" + bytes([min(len(wrapped), 127)]) + wrapped[:127]
        for _, _, call in calls:
            for each in (content, message):
                code = asyncio.run_coroutine_threadsafe(send(call, each), loop).result(20)
                assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN), "the latter for what is no protobuf"

    await asyncio.to_thread(fuzz)
    for _, channel, _ in calls:
        await channel.close()
    answer = await pair.client.ask("inference", request(trained_lr))
    assert answer["retcode"] == 0


def _plain(body: Any) -> bool:
    try:
        orjson.dumps(json.loads(json.dumps(body, allow_nan=False)))
    except (ValueError, TypeError):
        return False
    return True
