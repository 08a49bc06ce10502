"""A score, from an application's request to its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc.aio
import numpy as np
import pytest
from serving_models import GUEST, Trained, features
from serving_sites import Sites, serve

from fate_serving.adapters import Found


async def test_a_score_online_is_the_score_offline(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr)
    offline = trained_lr.predicted(trained_lr.tables, "hetero_lr_0").data
    expected = dict(zip(offline["id"].to_pylist(), offline["predict_score"].to_pylist(), strict=True))
    table = trained_lr.tables[GUEST]
    for row in range(5):
        answer = await pair.client.score(features(table, row), f"u{row}")
        assert answer["retcode"] == 0, answer
        assert answer["data"]["score"] == pytest.approx(expected[f"u{row}"], abs=1e-9)
        assert answer["data"]["modelVersion"] == "202611210700000000010"


async def test_a_batch_has_an_outcome_for_each_row(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr)
    table = trained_lr.tables[GUEST]
    rows = [
        {"index": row, "featureData": features(table, row), "sendToRemoteFeatureData": {"device_id": f"u{row}"}}
        for row in range(20)
    ]
    rows[3]["sendToRemoteFeatureData"] = {"device_id": "nobody"}
    rows[7]["featureData"] = {**features(table, 7), "g1": "much"}
    answer = await pair.client.ask("batchInference", {"serviceId": "credit", "batchDataList": rows})
    assert answer["retcode"] == 0, answer
    codes = {row["index"]: row["retcode"] for row in answer["batchDataList"]}
    assert {index: code for index, code in codes.items() if code} == {3: 2113, 7: 102}
    assert "g1" in answer["singleInferenceResultMap"]["7"]["retmsg"]
    offline = trained_lr.predicted(trained_lr.tables, "hetero_lr_0").data
    expected = dict(zip(offline["id"].to_pylist(), offline["predict_score"].to_pylist(), strict=True))
    scores = {row["index"]: row["data"]["score"] for row in answer["batchDataList"] if row["retcode"] == 0}
    assert [scores[row] for row in scores] == pytest.approx([expected[f"u{row}"] for row in scores], abs=1e-9)
    assert np.ptp(list(scores.values())) > 0.01


async def test_a_caller_s_deadline_is_the_store_s_too(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr, timeout_seconds=60)
    host = pair.host.hosting
    host._timeout_seconds = 60
    given_up = asyncio.Event()

    class Endless:
        async def fetch(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Found]:
            try:
                await asyncio.sleep(60)
            finally:
                given_up.set()
            return []

        async def close(self) -> None:
            pass

    before, host._adapter = host._adapter, Endless()
    row = features(trained_lr.tables[GUEST], 0)
    said = {"serviceId": "credit", "featureData": row, "sendToRemoteFeatureData": {"device_id": "u0"}}
    start = time.monotonic()
    try:
        code = (await pair.client.ask("inference", said, timeout=0.5))["retcode"]
    except grpc.aio.AioRpcError as error:  # whichever of caller, guest and host gives up first
        code = error.code()
    assert code in (2105, 2116, grpc.StatusCode.DEADLINE_EXCEEDED)
    await asyncio.wait_for(given_up.wait(), 15)
    assert time.monotonic() - start < 20
    host._adapter = before
    assert (await pair.client.score(row, "u0"))["retcode"] == 0


async def test_a_burst_is_answered_to_the_last_request(sites: Sites, trained_lr: Trained) -> None:
    """gRPC itself cancels at random of more than 1000 that wait to be begun."""
    pair = await serve(sites, trained_lr, timeout_seconds=60)
    row = features(trained_lr.tables[GUEST], 0)
    answers = await asyncio.gather(*(pair.client.score(row, "u0") for _ in range(3000)), return_exceptions=True)
    assert {answer["retcode"] if isinstance(answer, dict) else str(answer) for answer in answers} == {0}
