"""FATE's own example jobs on FATE's own data, where both are beside this repository: rows, columns, splits, figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest

from fate_federated.dsl.job_files import load_job
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party, Role
from fate_federated.pb.model import statistics_pb2
from fate_federated.task.table import Table

SHARED = Path(__file__).parents[3] / "shared"
EXAMPLES, DATA = SHARED / "fate-examples", SHARED / "fate-data"
FILES = {
    "breast_hetero_guest_sid": "breast_hetero_guest_sample_id",
    "breast_hetero_host_sid": "breast_hetero_host_sample_id",
    "expect": "breast_homo_guest",
    "actual": "breast_homo_host",
    "mock_string": "vehicle_scale_homo_guest",
}
"""Of tables that are called otherwise than their files, or that another table of the same kind stands for."""

pytestmark = pytest.mark.skipif(
    not (EXAMPLES.exists() and DATA.exists()), reason="FATE's examples and data are not beside this repository"
)

Results = dict[str, dict[Party, PartyResult]]


def csv(name: str) -> Table:
    path = DATA / f"{FILES.get(name, name)}.csv"
    with path.open(encoding="utf-8") as file:
        id_column = file.readline().split(",")[0].strip()
    return Table(pc.read_csv(path, convert_options=pc.ConvertOptions(column_types={id_column: pa.string()})), id_column)


def run(dsl: str, conf: str | None = None) -> Results:
    """Every component of a job but the model that it trains, which other tests do."""
    pipeline = load_job(EXAMPLES / f"{dsl}_dsl.json", EXAMPLES / f"{conf or dsl}_conf.json").compile()
    tables = {
        party: {
            (table["namespace"], table["name"]): csv(table["name"])
            for node in pipeline.nodes
            if node.module == "Reader" and party in node.parameters
            for table in [node.parameters[party]["table"]]
        }
        for party in pipeline.parties
    }
    nodes = tuple(node for node in pipeline.nodes if node.module not in ("HeteroLR", "Evaluation"))
    return Federation(pipeline.parties, seed=0).run_pipeline(replace(pipeline, nodes=nodes), tables)


def at(results: Results, component: str, role: Role = Role.GUEST) -> PartyResult:
    return next(result for party, result in results[component].items() if party.role is role)


def test_a_union_of_raw_tables_is_transformed() -> None:
    results = run("v1.11.4/examples/dsl/v2/union/test_union_data_transform_job")
    table, rows = at(results, "data_transform_0").data, csv("breast_hetero_guest")
    assert len(table) == 2 * len(rows)
    names = [f"{text}_{reader}" for reader in ("reader_0", "reader_1") for text in rows.ids.to_pylist()]
    assert table.ids.to_pylist() == names
    np.testing.assert_array_equal(table.features[: len(rows)], table.features[len(rows) :])


def test_a_union_of_version_1_keeps_the_first_of_each_id() -> None:
    results = run("v1.4.6/examples/federatedml-1.x-examples/union/test_union_basic_job")
    assert set(at(results, "union_0").data.ids.to_pylist()) == set(csv("breast_hetero_guest").ids.to_pylist())


def test_figures_are_those_of_the_common_rows() -> None:
    results = run("v1.11.4/examples/dsl/v2/data_statistics/data_statistics_all_columns")
    for role, name in ((Role.GUEST, "breast_hetero_guest"), (Role.HOST, "breast_hetero_host")):
        model = at(results, "statistic_0", role).model
        assert model is not None
        assert isinstance(model.param, statistics_pb2.StatisticParam)
        columns = at(results, "intersection_0", role).data.feature_names
        values = csv(name).numbers(columns)
        expected: dict[str, Any] = {
            "95%": np.quantile(values, 0.95, axis=0),
            "coefficient_of_variance": values.std(axis=0) / np.maximum(np.abs(values.mean(axis=0)), 1e-8),
            "stddev": values.std(axis=0),
        }
        found = {one.value_name: one.values for one in model.param.self_values.results}
        assert set(found) == set(expected)
        for statistic, column_values in found.items():
            np.testing.assert_allclose(column_values, expected[statistic], rtol=1e-6)


def test_columns_are_appended_to_raw_rows() -> None:
    results = run("v1.11.4/examples/experiment_template/dsl/v2/column_expand/test_column_expand_job")
    table = at(results, "data_transform_0").data
    assert table.feature_names[-2:] == ("x_0", "x_1")
    np.testing.assert_array_equal(table.features[:, -2:], np.tile([0, 0.2], (len(table), 1)))


def test_weights_of_a_model_come_again() -> None:
    folder = "v1.11.4/examples/dsl/v2/sample_weight"
    results = run(f"{folder}/sample_weight_transform_job", f"{folder}/sample_weight_balanced_job")
    first, second = (at(results, name).data for name in ("sample_weight_0", "sample_weight_1"))
    assert first.weight is not None
    np.testing.assert_array_equal(first.weight, second.weight)
    assert at(results, "sample_weight_1", Role.HOST).data.weight is None


def test_rows_of_a_match_id_are_drawn_by_their_weights() -> None:
    results = run("v1.11.4/examples/dsl/v2/sample_weight/sample_weight_name_job")
    weighted, drawn = at(results, "sample_weight_0").data, at(results, "federated_sample_0")
    assert weighted.weight is not None
    assert drawn.summary == {"sample_count": int(np.ceil(weighted.weight).sum())}
    assert len(at(results, "federated_sample_0", Role.HOST).data) == len(drawn.data)


def test_two_tables_of_one_kind_have_a_stability() -> None:
    results = run("v1.11.4/examples/dsl/v2/psi/psi_cpn")
    scores = at(results, "psi_0", Role.HOST).summary["psi_scores"]
    assert set(scores) == set(csv("expect").feature_names)
    assert all(0 < score < 1 for score in scores.values())


def test_texts_are_encoded_alike_at_all_parties_and_again_by_the_model() -> None:
    results = run("v1.11.4/examples/dsl/v2/homo_onehot/homo_onehot_string_partial_col_test")
    guest, host = (at(results, "homo_onehot_0", role).data for role in (Role.GUEST, Role.HOST))
    assert guest.feature_names == host.feature_names
    assert len(guest.feature_names) > 18
    assert at(results, "homo_onehot_1").data.data == guest.data
