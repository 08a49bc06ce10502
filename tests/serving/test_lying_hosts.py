"""Whatever a host answers, the guest says which host it was, and stays up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import numpy as np
import pytest
from serving_models import GUEST, HOST, Trained, features
from serving_sites import Client, Sites

from fate_serving.pb.proxy_pb2 import Data, Packet
from fate_serving.pb.proxy_pb2_grpc import DataTransferServiceServicer, add_DataTransferServiceServicer_to_server
from fate_serving.pb.scoring_pb2 import RowFault, ScoreReply, ScoreRequest
from fate_serving.pb.scoring_pb2_grpc import ScoringServicer, add_ScoringServicer_to_server

Lie = Callable[[ScoreRequest], ScoreReply]


class LyingScoring(ScoringServicer):
    lie: Lie

    async def Score(self, request_iterator: AsyncIterator[ScoreRequest], context: Any) -> None:  # type: ignore[override]
        async for request in request_iterator:
            await context.write(self.lie(request))


class LyingTransfer(DataTransferServiceServicer):
    body = b""

    async def unaryCall(self, request: Packet, context: Any) -> Packet:
        return Packet(body=Data(value=self.body))


@asynccontextmanager
async def liar(sites: Sites, trained: Trained, protocol: str) -> AsyncIterator[tuple[Client, Any]]:
    server = grpc.aio.server()
    scoring, transfer = LyingScoring(), LyingTransfer()
    add_ScoringServicer_to_server(scoring, server)
    add_DataTransferServiceServicer_to_server(transfer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    peer = {"parties": [str(HOST)], "address": f"127.0.0.1:{port}", "protocol": protocol}
    guest = await sites.start("guest", (GUEST,), peers=[peer], timeout_seconds=1)
    loaded = await guest.sources.from_file(trained.zips(sites.folder / "zips")[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    try:
        yield sites.client(guest), scoring if protocol == "fate_federated" else transfer
    finally:
        await server.stop(0)


def scores(*values: float) -> bytes:
    return np.array(values, "<f8").tobytes()


async def test_answers_that_are_none(sites: Sites, trained_lr: Trained) -> None:
    lies: list[tuple[Lie, int]] = [
        (lambda request: ScoreReply(number=request.number), 2135),
        (lambda request: ScoreReply(number=request.number, width=1, scores=b"1234567"), 2135),
        (lambda request: ScoreReply(number=request.number, width=1, scores=scores(1, 2)), 2135),
        (lambda request: ScoreReply(number=request.number, width=2, scores=scores(1, 2)), 2135),
        (lambda request: ScoreReply(number=request.number, width=1 << 31, scores=scores(1)), 2135),
        (lambda request: ScoreReply(number=request.number, width=8, decisions=scores(1)), 2135),
        (lambda request: ScoreReply(number=request.number, width=1, scores=scores(float("nan"))), 2135),
        (lambda request: ScoreReply(number=request.number, width=1, scores=scores(1), faults=[RowFault(row=7)]), 2135),
        (lambda request: ScoreReply(number=request.number, faults=[RowFault(row=0)]), 2110),
        (lambda request: ScoreReply(number=request.number, code=104, message="x"), 2104),
        (lambda request: ScoreReply(number=request.number + 1, width=1, scores=scores(1)), 2105),
    ]
    row = features(trained_lr.tables[GUEST], 0)
    async with liar(sites, trained_lr, "fate_federated") as (client, host):
        for lie, code in lies:
            host.lie = lie
            answer = await client.score(row, "u0")
            assert (answer["retcode"], "host-10000" in answer["retmsg"]) == (code, True), answer
            assert "data" not in answer
        host.lie = lambda request: ScoreReply(number=request.number, width=1, scores=scores(0.5))
        assert (await client.score(row, "u0"))["retcode"] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 2135),
        (b"{", 2135),
        (b"[]", 2135),
        (b"{}", 2135),
        (b'{"retcode": "x"}', 2135),
        (b'{"retcode": 0}', 2135),
        (b'{"retcode": 0, "data": []}', 2135),
        (b'{"retcode": 0, "data": {"hetero_lr_0": 1}}', 2135),
        (b'{"retcode": 0, "data": {"hetero_lr_0": {"score": "1"}}}', 2135),
        (b'{"retcode": 0, "data": {"hetero_lr_0": {"score": true}}}', 2135),
        (b'{"retcode": 104, "retmsg": "no model"}', 2104),
        (b'{"retcode": 605}', 2605),
        (b'{"retcode": 0, "data": {"hetero_lr_0": {"score": 0.5}}}', 0),
        (b'{"retcode": 0, "data": {"score": 0.5}}', 0),
        (b'{"retcode": "0", "data": {"prob": 0.5}}', 0),
    ],
)
async def test_answers_in_fate_serving_s_protocol(sites: Sites, trained_lr: Trained, body: bytes, code: int) -> None:
    async with liar(sites, trained_lr, "fate_serving") as (client, host):
        host.body = body
        answer = await client.score(features(trained_lr.tables[GUEST], 0), "u0")
        assert answer["retcode"] == code, answer
        assert ("data" in answer) == (code == 0)
        assert code == 0 or "host-10000" in answer["retmsg"]
