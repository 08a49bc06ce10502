"""What prepares a party's own data sends nothing, and says nothing of its rows in a log or a metric."""

from __future__ import annotations

import json
import logging
from typing import Any

import pyarrow as pa
import pytest

from fate_federated.federation import Federation, MemoryTables
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message

SECRET = 7654321


def rows() -> Table:
    data = {"id": ["ann", f"p{SECRET}", "cyd"], "y": [1, 0, 1], "x": [SECRET, 2, None], "z": [0.5, 1.5, 2.5]}
    return Table(pa.table(data), "id", "y")


def lines() -> Table:
    return Table(pa.table({"id": ["ann", f"p{SECRET}"], "line": [f"a:{SECRET};b:1", "b:2;a:5"]}), "id")


@pytest.mark.parametrize(
    ("module", "params", "table"),
    [
        ("Reader", {"table": {"namespace": "n", "name": "t"}}, rows()),
        ("DataTransform", {"with_label": True, "missing_fill": True, "missing_fill_method": "mean"}, rows()),
        ("DataTransform", {"input_format": "tag", "tag_with_value": True, "delimitor": ";"}, lines()),
        ("DataIO", {"outlier_replace": True, "outlier_impute": [2]}, rows()),
        ("FeatureScale", {}, rows()),
        ("FeatureImputation", {"default_value": 1}, rows()),
        ("LabelTransform", {"label_encoder": {"0": 1, "1": 0}}, rows()),
        ("Writer", {"output_name": "t"}, rows()),
        ("Download", {}, rows()),
    ],
)
def test_nothing_is_sent_and_no_row_is_told(
    module: str,
    params: dict[str, Any],
    table: Table,
    guest: Party,
    host: Party,
    messages: list[Message],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    inputs = {
        party: Inputs(data={"data": [table]}, tables=MemoryTables({("n", "t"): table}, party))
        for party in (guest, host)
    }
    results = Federation([guest, host], record=messages.append).run(module, params, inputs)
    assert messages == []
    for result in results.values():
        told = json.dumps([result.tracker.summary, *result.tracker.meta.values()]) + caplog.text
        assert str(SECRET) not in told
