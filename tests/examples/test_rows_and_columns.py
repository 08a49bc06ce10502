"""FATE's own example jobs on FATE's own data, where both are beside this repository: rows, columns, splits, figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.examples.shared_jobs import ExampleTables, Results, examples, needs_shared, run_example

from fate_federated.party import Role
from fate_federated.pb.model import statistics_pb2

pytestmark = needs_shared

V2 = "v1.11.4/examples/dsl/v2"


def run(name: str, tables: ExampleTables) -> Results:
    """Every component but the model that the job trains, which other tests look at."""
    return run_example(name, tables, ({"Reader"} | examples()[name].modules) - {"HeteroLR", "Evaluation"})


def test_a_union_of_raw_tables_is_transformed(tables: ExampleTables) -> None:
    results = run(f"{V2}/union/test_union_data_transform_job", tables)
    table, rows = results["data_transform_0"][Role.GUEST].data, tables["breast_hetero_guest"]
    assert len(table) == 2 * len(rows)
    names = [f"{text}_{reader}" for reader in ("reader_0", "reader_1") for text in rows.ids.to_pylist()]
    assert table.ids.to_pylist() == names
    np.testing.assert_array_equal(table.features[: len(rows)], table.features[len(rows) :])


def test_a_union_of_version_1_keeps_the_first_of_each_id(tables: ExampleTables) -> None:
    results = run("v1.4.6/examples/federatedml-1.x-examples/union/test_union_basic_job", tables)
    assert set(results["union_0"][Role.GUEST].data.ids.to_pylist()) == set(
        tables["breast_hetero_guest"].ids.to_pylist()
    )


def test_figures_are_those_of_the_common_rows(tables: ExampleTables) -> None:
    results = run(f"{V2}/data_statistics/data_statistics_all_columns", tables)
    for role, name in ((Role.GUEST, "breast_hetero_guest"), (Role.HOST, "breast_hetero_host")):
        model = results["statistic_0"][role].model
        assert model is not None
        assert isinstance(model.param, statistics_pb2.StatisticParam)
        columns = results["intersection_0"][role].data.feature_names
        values = tables[name].numbers(columns)
        expected: dict[str, Any] = {
            "95%": np.quantile(values, 0.95, axis=0),
            "coefficient_of_variance": values.std(axis=0) / np.maximum(np.abs(values.mean(axis=0)), 1e-8),
            "stddev": values.std(axis=0),
        }
        found = {one.value_name: one.values for one in model.param.self_values.results}
        assert set(found) == set(expected)
        for statistic, column_values in found.items():
            np.testing.assert_allclose(column_values, expected[statistic], rtol=1e-6)


def test_columns_are_appended_to_raw_rows(tables: ExampleTables) -> None:
    results = run("v1.11.4/examples/experiment_template/dsl/v2/column_expand/test_column_expand_job", tables)
    table = results["data_transform_0"][Role.GUEST].data
    assert table.feature_names[-2:] == ("x_0", "x_1")
    np.testing.assert_array_equal(table.features[:, -2:], np.tile([0, 0.2], (len(table), 1)))


def test_weights_of_a_model_come_again(tables: ExampleTables) -> None:
    folder = f"{V2}/sample_weight"
    results = run(f"{folder}/sample_weight_balanced_job", tables)
    first, second = (results[name][Role.GUEST].data for name in ("sample_weight_0", "sample_weight_1"))
    assert first.weight is not None
    np.testing.assert_array_equal(first.weight, second.weight)
    assert results["sample_weight_1"][Role.HOST].data.weight is None


def test_rows_of_a_match_id_are_drawn_by_their_weights(tables: ExampleTables) -> None:
    results = run(f"{V2}/sample_weight/sample_weight_name_job", tables)
    weighted, drawn = results["sample_weight_0"][Role.GUEST].data, results["federated_sample_0"][Role.GUEST]
    assert weighted.weight is not None
    assert drawn.summary == {"sample_count": int(np.ceil(weighted.weight).sum())}
    assert len(results["federated_sample_0"][Role.HOST].data) == len(drawn.data)


def test_two_tables_of_one_kind_have_a_stability(tables: ExampleTables) -> None:
    results = run(f"{V2}/psi/psi_cpn", tables)
    scores = results["psi_0"][Role.HOST].summary["psi_scores"]
    assert set(scores) == set(tables["expect"].feature_names)
    assert all(0 < score < 1 for score in scores.values())


def test_texts_are_encoded_alike_at_all_parties_and_again_by_the_model(tables: ExampleTables) -> None:
    results = run(f"{V2}/homo_onehot/homo_onehot_string_partial_col_test", tables)
    guest, host = (results["homo_onehot_0"][role].data for role in (Role.GUEST, Role.HOST))
    assert guest.feature_names == host.feature_names
    assert len(guest.feature_names) > 18
    assert results["homo_onehot_1"][Role.GUEST].data.data == guest.data
