"""A score, from an application's request to its answer."""

from __future__ import annotations

import numpy as np
import pytest
from serving_models import GUEST, Trained, features
from serving_sites import Sites, serve


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
