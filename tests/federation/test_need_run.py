"""Components that do not run at one party, in the training and where their model is applied."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fate_federated.dsl.parse import parse_job
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.pb.model.not_run_pb2 import NotRun
from fate_federated.task_store import read_model, write_model

GUEST, HOST = map(Party.parse, ("guest-9999", "host-10000"))

DSL = {
    "components": {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "scale_0": {
            "module": "FeatureScale",
            "input": {"data": {"data": ["reader_0.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        },
        "scale_1": {
            "module": "FeatureScale",
            "input": {"data": {"data": ["reader_0.data"]}, "model": ["scale_0.model"]},
            "output": {"data": ["data"], "model": ["model"]},
        },
    }
}
CONF = {
    "dsl_version": 2,
    "initiator": {"role": "guest", "party_id": 9999},
    "role": {"guest": [9999], "host": [10000]},
    "component_parameters": {
        "common": {"reader_0": {"table": {"namespace": "t", "name": "rows"}}},
        "role": {"host": {"0": {"scale_0": {"need_run": False}}}},
    },
}


def test_where_a_component_did_not_run_its_model_leaves_data_unchanged(tmp_path: Path) -> None:
    table = make_table(["a", "b", "c"], {"x": [1.0, 2.0, 6.0]})
    tables = {party: {("t", "rows"): table} for party in (GUEST, HOST)}
    results = Federation([GUEST, HOST]).run_pipeline(parse_job(json.dumps(DSL), json.dumps(CONF)), tables)
    for scale in ("scale_0", "scale_1"):
        assert results[scale][HOST].data.data == table.data
        assert not np.array_equal(results[scale][GUEST].data.features, table.features)
    model = results["scale_1"][HOST].model
    assert model is not None
    assert isinstance(model.meta, NotRun)
    write_model(str(tmp_path / "model.json"), model)
    assert read_model(str(tmp_path / "model.json")) == model
