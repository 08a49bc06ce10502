"""FATE's example jobs that read, transform and fill data, on FATE's data, where both are beside this repository."""

from __future__ import annotations

import numpy as np
import pytest
from tests.examples.shared_jobs import ExampleTables, needs_shared, run_example

from fate_federated.party import Role
from fate_federated.task.table import Table

pytestmark = needs_shared

V2 = "v1.11.4/examples/dsl/v2"
DATA_MODULES = ("Reader", "DataIO", "DataTransform", "Union", "Intersection")


def by_id(table: Table, columns: tuple[str, ...]) -> dict[str, list[float]]:
    return dict(zip(table.ids.to_pylist(), table.numbers(columns).tolist(), strict=True))


def test_rows_of_tags_are_the_rows_of_columns(tables: ExampleTables) -> None:
    results = run_example(f"{V2}/data_transform/test_data_transform_tag_value", tables, DATA_MODULES)
    output, columns = results["data_transform_0"][Role.HOST].data, tables["breast_hetero_host"]
    assert output.feature_names == tuple(sorted(columns.feature_names))
    assert by_id(output, columns.feature_names) == by_id(columns, columns.feature_names)


def test_a_union_of_rows_of_tags_is_transformed(tables: ExampleTables) -> None:
    results = run_example(f"{V2}/union/test_union_tag_value_job", tables, DATA_MODULES)
    output = results["data_transform_0"][Role.GUEST].data
    assert len(output) == 3 * len(tables["tag_value_1"])
    assert len(output.feature_names) == len(tables["breast_hetero_host"].feature_names)


@pytest.mark.parametrize("job", ["train_union", "train_sample", "train_manually", "train_verify"])
def test_the_tags_of_a_template_intersect(job: str, tables: ExampleTables) -> None:
    template = f"v1.11.4/examples/experiment_template/dsl/v2/hetero_lr/test_hetero_lr_{job}_job"
    results = run_example(template, tables, DATA_MODULES)
    guest, theirs = (results["intersection_0"][party].data for party in (Role.GUEST, Role.HOST))
    assert guest.ids.equals(theirs.ids)
    assert len(theirs) > 0
    assert len(theirs.feature_names) == 20
    np.testing.assert_array_equal(np.isnan(theirs.features), False)


@pytest.mark.parametrize("metric", ["quantile_binning", "optimal_gini", "optimal_iv", "optimal_ks"])
def test_sparse_rows_have_the_values_of_dense_ones(metric: str, tables: ExampleTables) -> None:
    folder = f"{V2}/hetero_feature_binning"
    results = run_example(f"{folder}/hetero_binning_sparse_{metric}", tables, DATA_MODULES)
    for party, name in ((Role.GUEST, "breast_hetero_guest"), (Role.HOST, "breast_hetero_host")):
        output, source = results["data_transform_0"][party].data, tables[name]
        columns = tuple(column for column in source.feature_names if column != "y")
        assert output.feature_names == columns
        np.testing.assert_array_equal(output.features, source.numbers(columns))


def test_each_feature_is_filled_by_its_own_method(tables: ExampleTables) -> None:
    results = run_example(
        f"{V2}/feature_imputation/feature_imputation_column_method_job",
        tables,
        (*DATA_MODULES, "FeatureImputation"),
    )
    for party in (Role.GUEST, Role.HOST):
        result = results["feature_imputation_0"][party]
        before = results["intersection_0"][party].data
        fills = {name: float(fill) for name, fill in result.summary["cols_replace_value"].items()}
        assert fills
        for name, column in zip(before.feature_names, before.features.T, strict=True):
            expected = np.where(column == 0, fills.get(name, 0), column)
            np.testing.assert_array_equal(result.data.numbers([name])[:, 0], expected)


@pytest.mark.parametrize("job", ["partial", "without_label_list"])
def test_labels_are_exchanged_before_a_training(job: str, tables: ExampleTables) -> None:
    conf = f"{V2}/label_transform/label_transform_encoder_{job}"
    results = run_example(conf, tables, (*DATA_MODULES, "LabelTransform"))
    before, after = (results[name][Role.GUEST].data.label for name in ("intersection_0", "label_transform_0"))
    assert before is not None
    expected = np.where(before == 0, 1, np.where(before == 1, 0, before))
    np.testing.assert_array_equal(after, expected)


def test_columns_of_version_1_are_read_as_tags(tables: ExampleTables) -> None:
    folder = "v1.4.6/examples/federatedml-1.x-examples/hetero_feature_binning"
    results = run_example(f"{folder}/test_sparse_optimal_binning_chi_square_job", tables, DATA_MODULES)
    rows = next(outputs for name, outputs in results.items() if name.startswith("dataio"))
    output = rows[Role.GUEST].data
    np.testing.assert_array_equal(output.label, tables["breast_hetero_guest"].data.column("y").to_numpy())
    assert set(np.unique(output.features)) == {0.0, 1.0}
