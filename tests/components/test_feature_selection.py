from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.scripted_peer import content, run_against
from fate_components.feature_selection.choice import Offered
from fate_components.feature_selection.model import kept_columns
from fate_components.feature_selection.spec import HETERO_FEATURE_SELECTION, HeteroFeatureSelectionParams
from fate_components.feature_selection.steps import Rule, steps_of
from fate_federated.errors import AttemptFailed, DataError, DslError, MessageRejected, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import boosting_tree_pb2, feature_binning_pb2, statistics_pb2
from fate_federated.pb.model import feature_selection_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.run import build_params
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message

ROWS = 400
CHEAPER: Mapping[str, Mapping[str, Any]] = {
    "HeteroFeatureBinning": {"encrypt_param": {"key_length": 1024}, "transform_param": {"transform_type": None}},
    "HeteroPearson": {"fixpoint_bit_length": 1024},
    "HeteroSecureBoost": {"encrypt_param": {"key_length": 1024}, "num_trees": 2, "bin_num": 8},
    "HeteroFastSecureBoost": {"encrypt_param": {"key_length": 1024}, "num_trees": 2, "bin_num": 8},
    "DataStatistics": {},
    "PSI": {},
}
Results = dict[Party, PartyResult]
Models = dict[Party, dict[str, Model]]


def tables(guest: Party, *hosts: Party, classes: int = 2) -> dict[Party, Table]:
    """Columns that tell much, some, little and nothing of the label; and one that says what another does."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, classes, ROWS)

    def columns() -> dict[str, Any]:
        much, some, little = (label + scale * rng.normal(size=ROWS) for scale in (0.4, 1.2, 4.0))
        return {"little": little, "much": much, "same": np.full(ROWS, 7.0), "some": some, "twin": -much + 3}

    found = {guest: make_table(range(ROWS), columns(), label)}
    return found | {host: make_table(range(ROWS), columns()) for host in hosts}


def model_of(result: PartyResult) -> Model:
    assert result.model is not None
    return result.model


def trained(inputs: Mapping[Party, Table], **modules: Mapping[str, Any]) -> Models:
    """The models that components leave of these tables, by party and component, as isometric_model gives them."""
    found: Models = {party: {} for party in inputs}
    for module, params in modules.items():
        given: Mapping[Party, Any] = inputs
        if module == "PSI":
            given = {
                party: Inputs({"train_data": [table], "validate_data": [table.take(np.arange(ROWS // 2))]})
                for party, table in inputs.items()
            }
        elif "Boost" in module:
            given = {party: Inputs({"train_data": [table]}) for party, table in inputs.items()}
        results = Federation(list(inputs), seed=0).run(module, {**CHEAPER[module], **params}, given)
        for party, result in results.items():
            found[party][f"{module}_0"] = model_of(result)
    return found


def select(inputs: Mapping[Party, Table], methods: list[str], models: Models | None = None, **params: Any) -> Results:
    options = {name: params.pop(name) for name in ("party_params",) if name in params}
    federation = Federation(list(inputs), record=params.pop("record", None))
    given = {
        party: Inputs({"data": [table]}, isometric=(models or {}).get(party, {})) for party, table in inputs.items()
    }
    return federation.run(HETERO_FEATURE_SELECTION, {"filter_methods": methods, **params}, given, **options)


def left(results: Results) -> list[set[str]]:
    """The features that each party keeps, the guest first."""
    return [set(result.data.feature_names) for result in results.values()]


def param(result: PartyResult) -> pb.FeatureSelectionParam:
    assert result.model is not None
    assert isinstance(result.model.param, pb.FeatureSelectionParam)
    return result.model.param


def information(models: Models, guest: Party, place: int = 0) -> dict[str, float]:
    """The guest's information values of all columns, in their order; a host's are prefixed by its party_id.

    With 9 digits: the order in which a host's bins come, which is drawn, makes the last one.
    """
    binning = models[guest]["HeteroFeatureBinning_0"].param
    assert isinstance(binning, feature_binning_pb2.FeatureBinningParam)
    several = binning.multi_class_result
    own = several.results[place] if several.labels else binning.binning_result
    found = {name: own.binning_result[name].iv for name in binning.header}
    hosts = [several.host_results[at] for at in range(place, len(several.host_results), len(several.labels) or 1)]
    for host in hosts or binning.host_results:
        for position, name in enumerate(binning.header):
            found[f"{host.party_id}:{name}"] = host.binning_result[f"host_{host.party_id}_{position}"].iv
    return {name: round(iv, 9) for name, iv in found.items()}


def by_name(results: Results, guest: Party) -> set[str]:
    return {
        name if party == guest else f"{party.party_id}:{name}"
        for party, result in results.items()
        for name in result.data.feature_names
    }


def test_without_filters_every_column_stays(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    for methods in ([], None):
        results = select(inputs, methods)  # type: ignore[arg-type]
        assert left(results) == [set(inputs[guest].feature_names)] * 2
        assert results[guest].data.label_column == inputs[guest].label_column
        assert results[guest].data.ids.equals(inputs[guest].ids)


# By the rows


def test_columns_of_one_value_go(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    results = select(inputs, ["unique_value"], unique_param={"eps": 1e-6})
    assert left(results) == [{"little", "much", "some", "twin"}] * 2
    for party, result in results.items():
        (step,) = param(result).results
        assert step.filter_name == "unique_value"
        spans = inputs[party].features.max(axis=0) - inputs[party].features.min(axis=0)
        assert dict(step.feature_values) == pytest.approx(dict(zip(inputs[party].feature_names, spans, strict=True)))
        assert dict(step.left_cols.left_cols) == {name: name != "same" for name in inputs[party].feature_names}


def test_columns_that_vary_little_go(guest: Party) -> None:
    inputs = tables(guest)
    values = inputs[guest].features
    variation = np.abs(values.std(axis=0) / values.mean(axis=0))
    for threshold in (0.5, 1, 3):
        results = select(
            inputs, ["coefficient_of_variation_value_thres"], variance_coe_param={"value_threshold": threshold}
        )
        assert left(results) == [
            {name for name, value in zip(inputs[guest].feature_names, variation, strict=True) if value >= threshold}
        ]


def test_columns_with_outliers_go(guest: Party) -> None:
    inputs = tables(guest)
    quantiles = np.quantile(inputs[guest].features, 0.95, axis=0)
    results = select(inputs, ["outlier_cols"], outlier_param={"percentile": 0.95, "upper_threshold": 3})
    assert left(results) == [
        {name for name, value in zip(inputs[guest].feature_names, quantiles, strict=True) if value <= 3}
    ]


def test_columns_of_which_most_rows_are_alike_go(guest: Party) -> None:
    rows = {
        "half": [0, 0, 1, 2],
        "missing": [float("nan"), float("nan"), float("nan"), 1],
        "most": [5, 5, 5, 4],
        "none": [1, 2, 3, 4],
    }
    inputs = {guest: make_table(range(4), {name: np.array(column, float) for name, column in rows.items()})}
    for share, kept in ((0.5, {"half", "none"}), (0.75, set(rows)), (0.3, {"none"}), (0.1, {"none"})):
        results = select(inputs, ["percentage_value"], percentage_value_param={"upper_pct": share})
        assert left(results) == [kept]


def test_columns_without_any_value_go(guest: Party) -> None:
    table = make_table(range(3), {"gone": [float("nan")] * 3, "there": [1.0, 2.0, 9.0]})
    for method in ("unique_value", "coefficient_of_variation_value_thres", "outlier_cols"):
        results = select(
            {guest: table}, [method], variance_coe_param={"value_threshold": 0.1}, outlier_param={"upper_threshold": 9}
        )
        assert left(results) == [{"there"}]


# By name


@pytest.mark.parametrize(
    ("manually", "kept"),
    [
        ({"filter_out_indexes": [0, 3]}, {"much", "same", "twin"}),
        ({"filter_out_indexes": [0], "filter_out_names": ["twin"]}, {"much", "same", "some"}),
        ({"left_col_indexes": [1], "left_col_names": ["some"], "filter_out_indexes": None}, {"much", "some"}),
        ({"filter_out_indexes": [], "filter_out_names": []}, {"little", "much", "same", "some", "twin"}),
        ({"filter_out_indexes": -1}, set()),
        ({}, {"little", "much", "same", "some", "twin"}),
    ],
)
def test_columns_are_named(manually: dict[str, Any], kept: set[str], guest: Party, host: Party) -> None:
    results = select(tables(guest, host), ["manually"], manually_param=manually)
    assert left(results) == [kept, kept]
    meta = results[guest].model.meta if results[guest].model else None
    assert isinstance(meta, pb.FeatureSelectionMeta)
    assert set(meta.manually_meta.filter_out_names) == {"little", "much", "same", "some", "twin"} - kept


def test_names_of_other_parties_are_passed_over_where_names_are_anonymous(
    guest: Party, host: Party, other_host: Party
) -> None:
    inputs = tables(guest, host, other_host)
    out = ["guest_9999_0", "host_10000_x3", "host_10001_4", "host_10001_x0"]
    results = select(inputs, ["manually"], use_anonymous=True, manually_param={"filter_out_names": out})
    everything = {"little", "much", "same", "some", "twin"}
    assert left(results) == [everything - {"little"}, everything - {"some"}, everything - {"little", "twin"}]
    with pytest.raises(DataError, match="'twin' is no anonymous name, such as guest_9999_0"):
        select({guest: inputs[guest]}, ["manually"], use_anonymous=True, manually_param={"filter_out_names": ["twin"]})
    with pytest.raises(DataError, match="There is no column guest_9999_5: guest-9999 has 5"):
        select({guest: inputs[guest]}, [], use_anonymous=True, select_col_indexes=[], select_names=["guest_9999_5"])


def test_only_selected_columns_may_go(guest: Party, host: Party) -> None:
    results = select(
        tables(guest, host), ["unique_value"], select_col_indexes=[0], select_names=["twin"],
        party_params={host: {"select_col_indexes": [], "select_names": ["same", "much"]}},
    )  # fmt: skip
    assert left(results) == [{"little", "much", "same", "some", "twin"}, {"little", "much", "some", "twin"}]
    assert list(param(results[guest]).col_names) == ["little", "twin"]
    assert list(param(results[host]).header) == ["little", "much", "same", "some", "twin"]
    assert param(results[host]).col_name_to_anonym_dict["some"] == "host_10000_3"


# By information values


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({"filter_methods": ["iv_value_thres"], "iv_value_param": {"value_threshold": 1}}, lambda iv: iv >= 1),
        ({"filter_methods": ["iv_filter"], "iv_param": {"threshold": 0.3}}, lambda iv: iv >= 0.3),
    ],
)
def test_the_guest_chooses_by_thresholds(
    params: dict[str, Any], kept: Any, guest: Party, host: Party, other_host: Party
) -> None:
    inputs = tables(guest, host, other_host)
    models = trained(inputs, HeteroFeatureBinning={})
    results = select(inputs, params.pop("filter_methods"), models, **params)
    assert by_name(results, guest) == {name for name, iv in information(models, guest).items() if kept(iv)}


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({"filter_methods": ["iv_top_k"], "iv_top_k_param": {"k": 7}}, 7),
        ({"filter_methods": ["iv_filter"], "iv_param": {"filter_type": "top_k", "threshold": 7}}, 7),
        ({"filter_methods": ["iv_percentile"], "iv_percentile_param": {"percentile_threshold": 0.6}}, 9),
        ({"filter_methods": ["iv_filter"], "iv_param": {"filter_type": "top_percentile", "threshold": 0.61}}, 10),
        ({"filter_methods": ["iv_percentile"]}, 15),
    ],
)
def test_the_best_are_those_of_all_parties_together(
    params: dict[str, Any], count: int, guest: Party, host: Party, other_host: Party
) -> None:
    inputs = tables(guest, host, other_host)
    models = trained(inputs, HeteroFeatureBinning={})
    results = select(inputs, params.pop("filter_methods"), models, **params)
    values = information(models, guest)
    assert by_name(results, guest) == set(sorted(values, key=lambda name: -values[name])[:count])


def test_each_host_may_have_a_threshold_of_its_own(guest: Party, host: Party, other_host: Party) -> None:
    inputs = tables(guest, host, other_host)
    models = trained(inputs, HeteroFeatureBinning={})
    values = information(models, guest)

    def kept(of_guest: float, first: float, second: float) -> set[str]:
        limits = {"10000": first, "10001": second}
        return {name for name, iv in values.items() if iv >= limits.get(name.partition(":")[0], of_guest)}

    one = {"value_threshold": 0.1, "host_thresholds": [1, 0.01]}
    assert by_name(select(inputs, ["iv_value_thres"], models, iv_value_param=one), guest) == kept(0.1, 1, 0.01)
    all_hosts = {"value_threshold": 0.1, "host_thresholds": 1.0}
    assert by_name(select(inputs, ["iv_value_thres"], models, iv_value_param=all_hosts), guest) == kept(0.1, 1, 1)
    several = {"metrics": ["iv", "iv"], "threshold": [0.01, 0.2], "host_thresholds": [[0.01, 0.5], [1, 0.02]]}
    assert by_name(select(inputs, ["iv_filter"], models, iv_param=several), guest) == kept(0.2, 1, 0.5)
    with pytest.raises(DataError, match="host_thresholds of iv_filter are for 3 hosts; there are 2"):
        select(inputs, ["iv_filter"], models, iv_param={"host_thresholds": [1, 2, 3]})


@pytest.mark.parametrize("merge", ["average", "max", "min"])
def test_several_classes_have_several_values(merge: str, guest: Party, host: Party) -> None:
    inputs = tables(guest, host, classes=3)
    models = trained(inputs, HeteroFeatureBinning={})
    each = [information(models, guest, place) for place in range(3)]
    merged = {"average": np.mean, "max": np.max, "min": np.min}[merge]
    values = {name: merged([values[name] for values in each]) for name in each[0]}
    iv_param = {"threshold": 0.5, "mul_class_merge_type": merge}
    results = select(inputs, ["iv_filter"], models, iv_param=iv_param)
    assert by_name(results, guest) == {name for name, iv in values.items() if iv >= 0.5}
    (step,) = param(results[guest]).results
    assert step.feature_values["some"] == pytest.approx(values["some"])


def test_hosts_keep_what_they_have_where_the_guest_chooses_alone(
    guest: Party, host: Party, messages: list[Message]
) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={})
    for methods, params in (
        ("iv_filter", {"iv_param": {"threshold": 1, "select_federated": False}}),
        ("iv_value_thres", {"iv_value_param": {"value_threshold": 1, "local_only": True}}),
    ):
        messages.clear()
        results = select(inputs, [methods], models, record=messages.append, **params)
        assert left(results) == [{"much", "twin"}, {"little", "much", "same", "some", "twin"}]
        assert [message.tag for message in messages] == ["filters"]


def test_no_filter_leaves_a_party_without_columns(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={}, DataStatistics={})
    values = information(models, guest)
    best = [max(("much", "twin"), key=lambda name: values[f"{of}{name}"]) for of in ("", "10000:")]
    results = select(inputs, ["iv_filter"], models, iv_param={"threshold": 1e6})
    assert left(results) == [{name} for name in best]
    lowest = {"metrics": "stddev", "threshold": -1, "take_high": False}
    assert left(select(inputs, ["statistic_filter"], models, statistic_param=lowest)) == [{"same"}, {"same"}]


# By other measures


def test_statistics_of_the_parties_decide_at_each(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, DataStatistics={"statistics": ["summary", "95%"]})
    statistic = {
        "metrics": ["coefficient_of_variation", "95%", "stddev"],
        "filter_type": ["threshold", "top_k", "top_percentile"],
        "threshold": [0.1, 3, 0.5],
        "take_high": [True, False, True],
    }
    results = select(inputs, ["statistic_filter"], models, statistic_param=statistic)
    for party, result in results.items():
        values = dict(zip(inputs[party].feature_names, inputs[party].features.T, strict=True))
        names = [name for name, column in values.items() if abs(column.std() / column.mean()) >= 0.1]
        names = sorted(names, key=lambda name: np.quantile(values[name], 0.95))[:3]
        names = sorted(names, key=lambda name: -values[name].std())[:2]
        assert set(result.data.feature_names) == set(names)
        assert [step.filter_name for step in param(result).results] == ["statistic_filter"] * 3
    with pytest.raises(ModelError, match="statistic_filter goes by mode, which DataStatistics did not measure; it did"):
        select(inputs, ["statistic_filter"], models, statistic_param={"metrics": "mode"})


def test_columns_whose_distribution_moved_go(guest: Party) -> None:
    inputs = tables(guest)
    models = trained(inputs, PSI={"max_bin_num": 5})
    scores = dict(models[guest]["PSI_0"].param.total_score)  # type: ignore[attr-defined]
    limit = sorted(scores.values())[2]
    results = select(inputs, ["psi_filter"], models, psi_param={"threshold": limit})
    assert left(results) == [{name for name, score in scores.items() if score <= limit}]


def test_columns_that_others_make_up_go(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroPearson={})
    results = select(inputs, ["vif_filter"], models)
    assert left(results) == [{"little", "some"}] * 2
    with pytest.raises(ModelError, match="calc_local_vif"):
        select(inputs, ["vif_filter"], trained(inputs, HeteroPearson={"calc_local_vif": False}))


@pytest.mark.parametrize(
    ("method", "module"),
    [("hetero_sbt_filter", "HeteroSecureBoost"), ("hetero_fast_sbt_filter", "HeteroFastSecureBoost")],
)
def test_columns_that_trees_do_not_ask_for_go(method: str, module: str, guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, **{module: {}})
    trees = models[guest][f"{module}_0"].param
    assert isinstance(trees, boosting_tree_pb2.BoostingTreeModelParam)
    names = inputs[guest].feature_names
    asked = {party: dict.fromkeys(names, 0.0) for party in inputs}
    for info in trees.feature_importances:
        asked[guest if info.sitename.startswith("guest") else host][names[info.fid]] = info.importance
    results = select(inputs, [method], models, sbt_param={"threshold": 0.5})
    best = [max(names, key=lambda name: asked[party][name]) for party in inputs]
    assert left(results) == [
        {name for name, count in asked[party].items() if count >= 0.5} or {first}
        for party, first in zip(inputs, best, strict=True)
    ]
    results = select(inputs, [method], models, sbt_param={"filter_type": "top_k", "threshold": 2})
    for party, kept in zip(inputs, left(results), strict=True):
        assert kept == set(sorted(names, key=lambda name: -asked[party][name])[:2])
    results = select(inputs, [method], models, sbt_param={"threshold": 1e6, "select_federated": False})
    assert left(results) == [{best[0]}, set(names)]


def test_of_trees_over_rows_each_party_has_the_importance_itself(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    label = inputs[guest].label
    assert label is not None
    inputs[host] = make_table(
        range(ROWS), dict(zip(inputs[host].feature_names, inputs[host].features.T, strict=True)), label
    )
    parties = [guest, host, Party.parse("arbiter-10000")]
    given = {party: Inputs({"train_data": [table]}) for party, table in inputs.items()}
    results = Federation(parties, seed=0).run("HomoSecureBoost", {"num_trees": 2, "bin_num": 8}, given)
    models: Models = {party: {"homo_secureboost_0": model_of(results[party])} for party in inputs}
    trees = models[host]["homo_secureboost_0"].param
    assert isinstance(trees, boosting_tree_pb2.BoostingTreeModelParam)
    asked = {trees.feature_name_fid_mapping[info.fid] for info in trees.feature_importances}
    assert 0 < len(asked) < 5
    assert left(select(inputs, ["homo_sbt_filter"], models, sbt_param={"threshold": 0.5})) == [asked, asked]


def test_of_columns_that_go_together_the_most_telling_stays(guest: Party, host: Party, other_host: Party) -> None:
    inputs = tables(guest, host, other_host)
    models = trained(inputs, HeteroFeatureBinning={}, HeteroPearson={})
    values = information(models, guest)
    with np.errstate(invalid="ignore"):
        matrix = np.corrcoef(np.hstack([table.features for table in inputs.values()]), rowvar=False)
    names = list(values)
    of_hosts = {name for name in names if ":" in name}
    for threshold in (0.05, 0.4, 0.75, 0.99):
        kept, gone = set(), set()
        for name in sorted(names, key=lambda name: -values[name]):
            if name in gone:
                continue
            kept.add(name)
            gone |= {
                other
                for other in set(names) - kept - gone
                if abs(matrix[names.index(name), names.index(other)]) > threshold and not {name, other} <= of_hosts
            }
        results = select(inputs, ["correlation_filter"], models, correlation_param={"threshold": threshold})
        for party_id in ("10000:", "10001:"):
            of_one = [name for name in names if name.startswith(party_id)]
            if not kept & set(of_one):
                kept.add(max(of_one, key=lambda name: values[name]))
        assert by_name(results, guest) == kept
    alone = {"threshold": 0.75, "select_federated": False}
    results = select(inputs, ["correlation_filter"], models, correlation_param=alone)
    assert len(left(results)[0] & {"much", "twin"}) == 1
    assert left(results)[1:] == [set(inputs[host].feature_names)] * 2
    local = trained(inputs, HeteroPearson={"cross_parties": False})
    merged = {party: models[party] | local[party] for party in inputs}
    with pytest.raises(ModelError, match="HeteroPearson has no correlations with the columns of host-10000"):
        select(inputs, ["correlation_filter"], merged)


# One after the other


def test_each_filter_sees_what_those_before_it_left(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={}, DataStatistics={})
    values = information(models, guest)
    results = select(
        inputs, ["manually", "iv_filter", "statistic_filter"], models,
        manually_param={"filter_out_names": ["much"]},
        iv_param={"metrics": ["iv", "iv"], "filter_type": ["top_k", "threshold"], "threshold": [5, 0.02]},
        statistic_param={"metrics": "stddev", "filter_type": "top_k", "threshold": 1},
    )  # fmt: skip
    offered = {name: iv for name, iv in values.items() if not name.endswith("much")}
    top = sorted(offered, key=lambda name: -offered[name])[:5]
    assert by_name(results, guest) == {
        name
        for party, prefix in ((guest, ""), (host, "10000:"))
        for name in sorted(
            (name for name in top if offered[name] >= 0.02 and (":" in name) == bool(prefix)),
            key=lambda name: -inputs[party].numbers([name.removeprefix(prefix)]).std(),
        )[:1]
    }
    at_guest = param(results[guest])
    assert [step.filter_name for step in at_guest.results] == ["manually", "iv_filter", "iv_filter", "statistic_filter"]
    first = at_guest.results[1]
    assert list(first.left_cols.original_cols) == ["little", "same", "some", "twin"]
    assert list(first.host_left_cols[0].original_cols) == [f"host_10000_{place}" for place in (0, 2, 3, 4)]
    assert first.host_feature_values[0].feature_values["host_10000_4"] == pytest.approx(values["10000:twin"])
    assert list(at_guest.host_col_names[0].col_names) == [f"host_10000_{place}" for place in (0, 2, 3, 4)]
    assert at_guest.host_col_names[0].party_id == "10000"
    assert results[guest].summary["left"] == list(results[guest].data.feature_names)
    assert results[guest].summary["filters"][0]["filtered_out"] == ["much"]
    metas = results[guest].model.meta.filter_metas if results[guest].model else ()  # type: ignore[attr-defined]
    assert [(meta.filter_type, meta.threshold, meta.select_federated) for meta in metas][1:3] == [
        ("top_k", 5, True),
        ("threshold", 0.02, True),
    ]


def test_a_columns_place_is_that_in_the_header_that_was_binned(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={})
    narrower = inputs | {host: inputs[host].with_features(inputs[host].numbers(["twin", "some"]), ["twin", "some"])}
    results = select(narrower, ["iv_filter"], models, iv_param={"threshold": 1})
    assert left(results) == [{"much", "twin"}, {"twin"}]


# With a model


def test_a_model_keeps_the_same_columns_of_other_rows(guest: Party, host: Party, messages: list[Message]) -> None:
    inputs = tables(guest, host)
    first = select(inputs, ["unique_value"], select_names=["same", "twin"], select_col_indexes=[])
    later = {
        party: Inputs({"test_data": [table.take(np.arange(5))]}, model=first[party].model)
        for party, table in inputs.items()
    }
    results = Federation([guest, host], record=messages.append).run(HETERO_FEATURE_SELECTION, None, later)
    for party, result in results.items():
        model = first[party].model
        assert model is not None
        assert result.data.feature_names == kept_columns(model) == ("little", "much", "some", "twin")
        assert result.data.data.equals(first[party].data.data.slice(0, 5))
        assert result.model is model
    assert messages == []
    for party, inputs_of in later.items():
        later[party] = Inputs({"data": [make_table(range(2), {"much": [1, 2]})]}, model=inputs_of.model)
    with pytest.raises(ModelError, match="keeps columns that the table lacks: little, some, twin"):
        Federation([guest, host]).run(HETERO_FEATURE_SELECTION, None, later)
    with pytest.raises(ModelError, match="cannot apply a model of DataStatistics"):
        kept_columns(Model("DataStatistics", statistics_pb2.StatisticMeta(), statistics_pb2.StatisticParam()))


# What is told


def test_names_and_values_stay_where_they_are(guest: Party, host: Party, messages: list[Message]) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={}, HeteroPearson={})
    select(
        inputs, ["manually", "iv_filter", "correlation_filter"], models, record=messages.append,
        manually_param={"filter_out_names": ["some"]}, iv_param={"threshold": 1},
    )  # fmt: skip
    found = [(message.sender, message.tag, content(message)) for message in messages]
    assert [(sender, tag) for sender, tag, _ in found if sender == guest] == [
        (guest, "filters"), (guest, "kept.0"), (guest, "kept.1"),
    ]  # fmt: skip
    values = {tag: value for _, tag, value in found}
    assert values["filters"] == ["iv_filter", "correlation_filter"]
    assert {module: places.tolist() for module, places in values["columns.0"].items()} == {
        "HeteroFeatureBinning": [0, 1, 2, 4]
    }
    assert values["kept.0"].tolist() == [False, True, False, True]
    assert {module: places.tolist() for module, places in values["columns.1"].items()} == {
        "HeteroFeatureBinning": [1, 4], "HeteroPearson": [1, 4],
    }  # fmt: skip
    assert values["kept.1"].dtype == np.bool_
    assert len(found) == 5


# What is refused


def test_a_filter_without_its_model_is_refused_by_everybody(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    needed = {
        "iv_filter": "HeteroFeatureBinning", "iv_top_k": "HeteroFeatureBinning", "statistic_filter": "DataStatistics",
        "psi_filter": "PSI", "vif_filter": "HeteroPearson", "hetero_sbt_filter": "HeteroSecureBoost",
        "hetero_fast_sbt_filter": "HeteroFastSecureBoost", "homo_sbt_filter": "HomoSecureBoost",
        "correlation_filter": "HeteroFeatureBinning",
    }  # fmt: skip
    for method, module in needed.items():
        outcomes = Federation([guest, host]).outcomes(HETERO_FEATURE_SELECTION, {"filter_methods": [method]}, inputs)
        errors = [outcome for outcome in outcomes.values() if isinstance(outcome, ModelError)]
        assert errors, method
        assert str(errors[0]) == f"{method} goes by a model of {module}, which isometric_model does not name."
        assert all(isinstance(outcome, ModelError | AttemptFailed) for outcome in outcomes.values())


def test_models_that_do_not_say_enough_are_refused(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    local = trained(inputs, HeteroFeatureBinning={"local_only": True})
    with pytest.raises(DataError, match="did not measure the columns of host-10000 for the guest"):
        select(inputs, ["iv_filter"], local)
    bare = trained(inputs, HeteroFeatureBinning={"skip_static": True})
    with pytest.raises(DataError, match="HeteroFeatureBinning did not measure little, much"):
        select(inputs, ["iv_filter"], bare, iv_param={"select_federated": False})
    some = trained(inputs, HeteroFeatureBinning={"bin_indexes": [0, 1]})
    with pytest.raises(DataError, match=r"did not measure same, some, twin\. Select only columns that it did"):
        select(inputs, ["iv_filter"], some)
    chosen = {"select_col_indexes": [0, 1]}
    with pytest.raises(DataError, match="did not measure the columns 2, 3, 4 of host-10000"):
        select(inputs, ["iv_filter"], some, party_params={guest: chosen})
    results = select(inputs, ["iv_filter"], some, iv_param={"threshold": 1}, **chosen)
    assert left(results) == [{"much", "same", "some", "twin"}] * 2
    twice = {party: {**models, "another": next(iter(models.values()))} for party, models in some.items()}
    with pytest.raises(ModelError, match="isometric_model has HeteroFeatureBinning_0, another"):
        select(inputs, ["iv_filter"], twice)
    idle = trained(inputs, HeteroFeatureBinning={"need_run": False})
    with pytest.raises(ModelError, match="HeteroFeatureBinning, which did not run: need_run is false"):
        select(inputs, ["iv_filter"], idle)


def test_guest_and_host_must_agree_on_what_the_guest_chooses_by(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={})
    params = {"filter_methods": ["iv_filter"]}
    given = {party: Inputs({"data": [table]}, isometric=models[party]) for party, table in inputs.items()}
    for other in ({"filter_methods": ["unique_value"]}, {"iv_param": {"select_federated": False}}):
        outcomes = Federation([guest, host]).outcomes(
            HETERO_FEATURE_SELECTION, params, given, party_params={host: other}
        )
        assert isinstance(next(iter(outcomes.values())), DataError)
        for outcome in outcomes.values():
            assert "By filter_methods, local_only and select_federated guest-9999 chooses" in str(outcome)
            assert "by iv_filter, and host-10000 lets it by none" in str(outcome)
    results = select(
        inputs, ["unique_value", "iv_filter"], models, iv_param={"threshold": 0.0},
        party_params={host: {"filter_methods": ["iv_filter", "manually"], "manually_param": {"left_col_indexes": [0]}}},
    )  # fmt: skip
    assert left(results) == [{"little", "much", "some", "twin"}, {"little"}]


def test_tables_without_columns_or_rows(guest: Party, host: Party) -> None:
    bare = {guest: make_table(range(3), {}, [0, 1, 0]), host: make_table(range(3), {"a": [1, 1, 1]})}
    assert left(select(bare, ["unique_value", "percentage_value"])) == [set(), {"a"}]
    with pytest.raises(DataError, match="HeteroFeatureSelection has no input data at guest-9999"):
        Federation([guest]).run(HETERO_FEATURE_SELECTION)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"iv_param": {"take_high": False}}, "take_high is true"),
        ({"iv_param": {"metrics": "psi"}}, "this filter does not go by psi"),
        ({"vif_param": {"metrics": ["vif", "iv"]}}, "this filter does not go by iv"),
        ({"iv_param": {"filter_type": "top_k", "threshold": 1.5}}, "top_k takes a whole number of columns"),
        ({"statistic_param": {"filter_type": "top_k", "threshold": 0}}, "top_k takes a whole number of columns"),
        ({"psi_param": {"filter_type": "top_percentile", "threshold": 2}}, "top_percentile takes a share"),
        ({"iv_param": {"metrics": ["iv"], "host_thresholds": [[1], [2]]}}, "one list for each metric"),
        ({"manually_param": {"filter_out_names": ["a"], "left_col_names": ["b"]}}, "not both"),
        ({"filter_methods": ["iv_value"]}, "filter_methods/0"),
    ],
)
def test_nonsense_in_a_conf_has_a_place(params: dict[str, Any], said: str) -> None:
    with pytest.raises(DslError, match=said):
        build_params(HETERO_FEATURE_SELECTION, params)


def test_what_a_host_sends_is_checked(host: Party) -> None:
    for value in (
        None, {}, [1], {"PSI": [1]}, {"PSI": np.array([1.0])}, {"PSI": np.array([[1]])}, {"PSI": np.array([-1])},
        {"PSI": np.array([1, 1])}, {"PSI": np.array([1]), "HeteroPearson": np.array([1, 2])},
    ):  # fmt: skip
        with pytest.raises(MessageRejected):
            Offered.from_wire(host, value)
    with pytest.raises(MessageRejected, match="in the model of HeteroPearson"):
        Offered.from_wire(host, {"PSI": np.array([1])}).at("HeteroPearson")


@pytest.mark.parametrize("filters", [None, "iv_filter", [1], ["iv_filter", "iv_filter"], ["iv_top_k"], []])
def test_a_host_lets_the_guest_choose_by_what_was_agreed_only(filters: Any, guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={})
    given = Inputs({"data": [inputs[host]]}, isometric=models[host])
    with pytest.raises((DataError, MessageRejected), match="filters"):
        run_against(
            HETERO_FEATURE_SELECTION, {"filter_methods": ["iv_filter"]}, host, given, guest, {"filters": filters}
        )


@pytest.mark.parametrize("kept", [None, [True] * 5, np.ones(4, np.bool_), np.ones(5), np.ones((5, 1), np.bool_)])
def test_a_host_takes_a_choice_of_its_own_columns_only(kept: Any, guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    models = trained(inputs, HeteroFeatureBinning={})
    given = Inputs({"data": [inputs[host]]}, isometric=models[host])
    sent = {"filters": ["iv_filter"], "kept.0": kept}
    with pytest.raises(MessageRejected, match="did not say of 5 columns whether they stay"):
        run_against(HETERO_FEATURE_SELECTION, {"filter_methods": ["iv_filter"]}, host, given, guest, sent)


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"HeteroFeatureBinning": np.array([7])}, DataError),
        ({"HeteroPearson": np.array([1])}, MessageRejected),
        (np.array([1]), MessageRejected),
    ],
)
def test_a_guest_chooses_among_columns_that_were_measured_only(
    columns: Any, error: type[Exception], guest: Party, host: Party
) -> None:
    inputs = tables(guest, host)
    given = Inputs({"data": [inputs[guest]]}, isometric=trained(inputs, HeteroFeatureBinning={})[guest])
    with pytest.raises(error, match="host-10000"):
        run_against(
            HETERO_FEATURE_SELECTION, {"filter_methods": ["iv_filter"]}, guest, given, host, {"columns.0": columns}
        )


# The rule


@given(
    values=st.lists(st.floats(-3, 3) | st.just(float("nan")), max_size=12).map(np.array),
    kind=st.sampled_from(["threshold", "top_k", "top_percentile"]),
    threshold=st.floats(0, 1),
    take_high=st.booleans(),
)
def test_what_stays_is_never_worse_than_what_goes(values: Any, kind: str, threshold: float, take_high: bool) -> None:
    rule = Rule(kind, int(5 * threshold) + 1 if kind == "top_k" else threshold, take_high)
    kept = rule.keeps(values)
    assert not np.isnan(values[kept]).any()
    worth = values if take_high else -values
    assert np.nanmin(worth[kept], initial=9) >= np.nanmax(worth[~kept], initial=-9)
    some = rule.keeps_some(kept, values)
    assert some.sum() == max(kept.sum(), min(len(values), 1))
    if not np.isnan(values).all() and len(values):
        assert np.nanmax(worth) == worth[some].max()


def test_filters_of_old_releases_are_the_same_steps() -> None:
    params = HeteroFeatureSelectionParams.model_validate(
        {
            "filter_methods": ["IV_VALUE_THRES", "iv_top_k"],
            "iv_value_param": {"value_threshold": 0.2},
            "select_cols": -1,
        }
    )
    first, second = steps_of(params)
    assert (first.filter, first.metric, first.federated, first.rule) == (
        "iv_value_thres", "iv", True, Rule("threshold", 0.2, True),
    )  # fmt: skip
    assert second.rule == Rule("top_k", 10, True)


def test_values_that_differ_by_the_order_of_a_sum_rank_as_equal() -> None:
    values = np.array([0.1 + 0.2, 0.3, 1e-320, -5e300, 0, float("inf"), float("nan"), 0.3 + 1e-9])
    assert Rule("top_k", 1, True).ranked(values).tolist() == [5, 7, 0, 1, 2, 4, 3, 6]
    assert Rule("top_k", 1, False).ranked(values).tolist() == [3, 2, 4, 0, 1, 7, 5, 6]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"iv_param": {"host_thresholds": []}}, "host_thresholds is an empty list"),
        ({"iv_value_param": {"host_thresholds": []}}, "host_thresholds is an empty list"),
        ({"iv_param": {"metrics": []}}, "metrics is an empty list"),
        ({"statistic_param": {"host_thresholds": [1.0]}}, "host_thresholds has no effect"),
        ({"psi_param": {"host_thresholds": 1.0}}, "host_thresholds has no effect"),
        ({"vif_param": {"host_thresholds": 1.0}}, "host_thresholds has no effect"),
        ({"iv_param": {"filter_type": "top_k", "host_thresholds": [1.0]}}, "host_thresholds is for filter_type"),
        ({"correlation_param": {"threshold": 1.5}}, "threshold"),
    ],
)
def test_parameters_without_effect_or_sense_are_refused(params: dict[str, Any], text: str) -> None:
    with pytest.raises(DslError, match=text):
        build_params(HETERO_FEATURE_SELECTION, params, "/selection")


def test_a_share_of_columns_is_exact() -> None:
    values = np.arange(100.0)
    assert [int(Rule("top_percentile", share, True).keeps(values).sum()) for share in (0.07, 0.55, 0.29)] == [7, 55, 29]


def test_a_quantile_of_outliers_has_all_its_digits(guest: Party) -> None:
    share, table = 0.9999996, make_table(range(10_000), {"x": np.arange(10_000.0), "c": np.zeros(10_000)})
    # Just above the quantile, and below the largest value.
    outlier = {"percentile": share, "upper_threshold": float(np.quantile(np.arange(10_000.0), share)) + 1e-5}
    params = {"filter_methods": ["outlier_cols"], "outlier_param": outlier}
    result = Federation([guest]).run(HETERO_FEATURE_SELECTION, params, {guest: table}, participants=[guest])[guest]
    assert result.data.feature_names == ("x", "c")


def test_two_tables_for_one_are_refused(guest: Party) -> None:
    table = make_table(range(3), {"x": [1.0, 2.0, 3.0]})
    inputs = {guest: Inputs({"train_data": [table], "eval_data": [table]})}
    with pytest.raises(DataError, match="guest-9999 has train_data and eval_data"):
        Federation([guest]).run(HETERO_FEATURE_SELECTION, {}, inputs, participants=[guest])


def test_nothing_left_by_hand_is_warned_of(guest: Party, caplog: pytest.LogCaptureFixture) -> None:
    params = {"filter_methods": ["manually"], "manually_param": {"left_col_indexes": []}}
    table = make_table(range(3), {"x": [1.0, 2.0, 3.0]})
    Federation([guest]).run(HETERO_FEATURE_SELECTION, params, {guest: table}, participants=[guest])
    assert "name no column, so manually keeps all" in caplog.text
