"""FATE's own example jobs that choose columns, on FATE's own data, where both are beside this repository."""

from __future__ import annotations

import numpy as np
import pytest
from tests.examples.shared_jobs import ExampleTables, examples, needs_shared, run_example

from fate_federated.party import Role

pytestmark = needs_shared

V2 = "v1.11.4/examples/dsl/v2/hetero_feature_selection/hetero_feature_selection"
TEMPLATE = "v1.11.4/examples/experiment_template/dsl/v2/hetero_lr/test_hetero_lr_train"


@pytest.mark.parametrize("job", ["manually", "sample", "verify"])
def test_the_selections_of_a_template_leave_the_same_columns_of_later_rows(job: str, tables: ExampleTables) -> None:
    name = f"{TEMPLATE}_{job}_job"
    results = run_example(name, tables, examples()[name].modules - {"HeteroLR", "FeatureScale", "Evaluation"})
    for role in (Role.GUEST, Role.HOST):
        first = results["hetero_feature_selection_0"][role].data.feature_names
        assert 0 < len(first) < len(results["intersection_0"][role].data.feature_names)
        for number in range(1, 3 if job == "verify" else 2):
            assert results[f"hetero_feature_selection_{number}"][role].data.feature_names == first


def test_columns_are_chosen_by_their_information_values(tables: ExampleTables) -> None:
    results = run_example(f"{V2}_iv_selection", tables)
    binning = results["hetero_feature_binning_0"]
    own = binning[Role.GUEST].summary["iv"]
    (host_values,) = (host["iv"] for host in binning[Role.GUEST].summary["host_results"].values())
    selected = results["hetero_feature_selection_0"]
    assert set(selected[Role.GUEST].data.feature_names) == {name for name, iv in own.items() if iv >= 0.1}
    header = binning[Role.HOST].data.feature_names
    of_host = dict(zip(header, host_values.values(), strict=True))
    assert set(selected[Role.HOST].data.feature_names) == {name for name, iv in of_host.items() if iv >= 0.1}


def test_local_only_leaves_the_host_alone(tables: ExampleTables) -> None:
    results = run_example(f"{V2}_local_only", tables)
    before, after = results["intersection_0"], results["hetero_feature_selection_0"]
    assert after[Role.HOST].data.feature_names == before[Role.HOST].data.feature_names
    assert len(after[Role.GUEST].data.feature_names) < len(before[Role.GUEST].data.feature_names)


def test_the_share_of_the_most_frequent_value_decides(tables: ExampleTables) -> None:
    results = run_example(f"{V2}_percentage_value", tables)
    for role in (Role.GUEST, Role.HOST):
        before = results["intersection_0"][role].data
        shares = [np.unique(column, return_counts=True)[1].max() / len(before) for column in before.features.T]
        left = tuple(name for name, share in zip(before.feature_names, shares, strict=True) if share <= 0.8)
        assert results["hetero_feature_selection_0"][role].data.feature_names == left
