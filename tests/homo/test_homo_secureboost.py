"""HomoSecureBoost grows the trees that one machine with all rows grows, and says no more of rows than sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import kstest
from tests.homo.homo_parties import ARBITER, GUEST, HOSTS, Floats, Pool, kept_models, losing_run, pool
from tests.secureboost.plain_boosting import boosted, cut_points

from fate_components.homo import quantiles
from fate_components.homo_secureboost.component import HomoSecureBoost
from fate_components.homo_secureboost.messages import Decisions
from fate_components.homo_secureboost.spec import HomoSecureBoostParams
from fate_components.secure_aggregation.messages import Masked
from fate_components.secureboost.model import Tree, forest_of
from fate_federated.errors import ConfigError, DataError, FateFederatedError, MessageRejected, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.pb.model import boosting_tree_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Kind, decode

MODULE = "HomoSecureBoost"
BASE: dict[str, Any] = {"num_trees": 2, "bin_num": 8, "n_iter_no_change": False}
REGRESSION: dict[str, Any] = {"task_type": "regression", "objective_param": {"objective": "lse"}}


def drawn(tree: Tree, node: int = 0) -> Any:
    """As nested tuples of (column, threshold, missing_left, left, right)."""
    if tree.owner[node] < 0:
        return round(float(tree.weight[node]), 6)
    at = tree.own.nodes.tolist().index(node)
    return (
        int(tree.own.features[at]), float(tree.own.thresholds[at]), bool(tree.own.missing_left[at]),
        drawn(tree, tree.left[node]), drawn(tree, tree.right[node]),
    )  # fmt: skip


def alike(one: Any, other: Any) -> bool:
    """Whether two trees are the same, leaves to 2e-6."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[:3] == other[:3] and alike(one[3], other[3]) and alike(one[4], other[4])
    return not isinstance(one, tuple) and not isinstance(other, tuple) and abs(one - other) <= 2e-6


def trees(result: PartyResult) -> list[Any]:
    assert result.model is not None
    return [drawn(tree) for tree in forest_of(result.model).trees]


def scores(result: PartyResult) -> Floats:
    values: Floats = result.data.data.column("predict_score").to_numpy()
    return values


def borders(features: Floats, bins: int) -> list[Floats]:
    """The pooled quantiles to 20 bits, and none for the last bin."""
    found = []
    for column in features.T:
        inner = cut_points(column, bins)
        there = np.sort(column[~np.isnan(column)])
        inner = there[[int(np.ceil(len(there) * share / bins)) - 1 for share in range(1, bins)]]
        found.append(np.append(np.unique(quantiles.largest_of(quantiles.ordered(inner))), np.finfo(np.float64).max))
    return found


def numbers(sizes: list[int], columns: int = 5, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(sum(sizes), columns))
    label = features @ rng.normal(size=columns) + np.sin(3 * features[:, 0]) + 0.3 * rng.normal(size=sum(sizes))
    return Pool(features, label, sizes)


@pytest.mark.parametrize("regression", [True, False])
@pytest.mark.parametrize("missing", [True, False])
def test_trees_are_those_of_the_pooled_rows(regression: bool, missing: bool) -> None:
    rows = numbers([50, 30, 70])
    if missing:
        rows.features[np.random.default_rng(1).random(rows.features.shape) < 0.1] = np.nan
    label = rows.label if regression else (rows.label > 0).astype(np.int64)
    rows = replace(rows, label=label)
    limits: dict[str, Any] = {"leaf_rows": 4, "l2": 0.5, "l1": 0.1, "least_gain": 0.01, "least_weight": 0.2}
    params = {
        **BASE, **(REGRESSION if regression else {}), "use_missing": missing,
        "tree_param": {
            "min_leaf_node": 4, "criterion_params": [0.5, 0.1], "min_impurity_split": 0.01, "min_child_weight": 0.2,
        },
    }  # fmt: skip
    results = rows.run(MODULE, params)
    plain, score = boosted(
        rows.features, label, rounds=2, depth=3, bins=8, rate=0.3, regression=regression,
        points=borders(rows.features, 8), **limits,
    )  # fmt: skip
    assert all(alike(one, other.drawn()) for one, other in zip(trees(results[GUEST]), plain, strict=True))
    expected = score if regression else 1 / (1 + np.exp(-score))
    for party in rows.parties:
        assert trees(results[party]) == trees(results[GUEST])
        np.testing.assert_allclose(scores(results[party]), expected[rows.rows(party)], atol=1e-6)


def test_it_does_not_matter_who_has_which_rows() -> None:
    rows = numbers([50, 30, 70])
    order = np.random.default_rng(3).permutation(150)
    other = Pool(rows.features[order], rows.label[order], [100, 50])
    params = {**BASE, **REGRESSION}
    one, two = trees(rows.run(MODULE, params)[GUEST]), trees(other.run(MODULE, params)[GUEST])
    assert all(alike(*pair) for pair in zip(one, two, strict=True))


def test_several_classes_have_a_tree_each_in_a_round() -> None:
    rows = pool([60, 30, 40], classes=3)
    order = np.argsort(rows.label, kind="stable")
    rows = replace(rows, features=rows.features[order], label=rows.label[order])
    results = rows.run(MODULE, {**BASE, "num_trees": 5})
    model = results[HOSTS[1]].model
    assert model is not None
    assert isinstance(model.param, pb.BoostingTreeModelParam)
    assert model.param.tree_dim == 3
    assert len(model.param.trees_) == 15
    for party in rows.parties:
        table = results[party].data.data
        assert (table.column("predict_result").to_numpy() == rows.label[rows.rows(party)]).mean() > 0.8


def test_one_tree_may_be_for_all_classes() -> None:
    rows = pool([60, 30, 40], classes=3)
    params = {**BASE, "multi_mode": "multi_output", "tree_param": {"max_depth": 2}}
    results = rows.run(MODULE, {**params, "num_trees": 1})
    model = results[GUEST].model
    assert model is not None
    (tree,) = forest_of(model).trees
    first = np.full((130, 3), 1 / 3) - (rows.label[:, None] == np.arange(3))
    second = np.full((130, 3), 2 / 9)

    def worth(side: npt.NDArray[np.bool_]) -> float:
        return float((first[side].sum(axis=0) ** 2 / (second[side].sum(axis=0) + 0.1)).sum())

    everyone = np.ones(130, np.bool_)
    gains = {
        (column, end): worth(rows.features[:, column] <= end) + worth(rows.features[:, column] > end) - worth(everyone)
        for column, ends in enumerate(borders(rows.features, 8))
        for end in ends[:-1]
    }
    best = max(gains, key=lambda split: gains[split])
    at = tree.own.nodes.tolist().index(0)
    assert (int(tree.own.features[at]), float(tree.own.thresholds[at])) == best
    for leaf in np.flatnonzero(tree.owner < 0):
        there = tree.leaves(rows.features, {}) == leaf
        expected = -first[there].sum(axis=0) / (second[there].sum(axis=0) + 0.1)
        np.testing.assert_allclose(tree.weight[leaf], expected, atol=1e-12)
    results = rows.run(MODULE, {**params, "num_trees": 20})
    for party in rows.parties:
        table = results[party].data.data
        assert (table.column("predict_result").to_numpy() == rows.label[rows.rows(party)]).mean() > 0.8
    losses = results[GUEST].summary["loss_history"]
    assert (np.diff(losses) < 0).all()


def test_checkpoints_are_kept_by_themselves() -> None:
    rows = pool([60, 40])
    kept = kept_models(rows, lambda: HomoSecureBoost(HomoSecureBoostParams(**{**BASE, "num_trees": 5}, callback_param={
        "callbacks": ["ModelCheckpoint"], "save_freq": 2,
    })))  # fmt: skip
    whole = trees(rows.run(MODULE, {**BASE, "num_trees": 5})[GUEST])
    for party in rows.parties:
        found = [(step, [drawn(tree) for tree in forest_of(model).trees]) for step, model in kept[party]]
        assert found == [(1, whole[:2]), (3, whole[:4])]


@pytest.mark.parametrize(
    ("objective", "params"),
    [("lae", None), ("huber", [1.0]), ("fair", [1.0]), ("log_cosh", None), ("tweedie", [1.5])],
)
def test_every_loss_falls(objective: str, params: list[float] | None) -> None:
    rows = numbers([60, 40])
    rows = replace(rows, label=np.exp(rows.label / 4) if objective == "tweedie" else rows.label / 4)
    some = {"task_type": "regression", "objective_param": {"objective": objective, "params": params}, "num_trees": 3}
    results = rows.run(MODULE, {**BASE, **some})
    losses = results[GUEST].summary["loss_history"]
    assert losses[0] > losses[1] > losses[2]
    assert np.corrcoef(scores(results[GUEST]), rows.label[:60])[0, 1] > 0.5
    model = results[GUEST].model
    assert model is not None
    start = forest_of(model).start[0]
    if objective in ("lae", "huber", "fair"):
        assert start == pytest.approx(np.sort(rows.label)[49], rel=1e-6)
    else:
        assert start == pytest.approx(np.log(rows.label.mean()) if objective == "tweedie" else rows.label.mean())


def test_rows_count_by_their_weights() -> None:
    rows = pool([40, 30], weighted=True)
    assert rows.weight is not None
    weight = np.random.default_rng(0).integers(1, 4, 70)
    one = replace(rows, weight=weight.astype(float)).run(MODULE, BASE)
    again = np.repeat(np.arange(70), weight)
    sizes = [int((again < 40).sum()), int((again >= 40).sum())]
    repeated = Pool(rows.features[again], rows.label[again], sizes)
    # Bins are of rows, whatever they count; with as many bins as values both have the same.
    params = {**BASE, "bin_num": 400, "tree_param": {"min_leaf_node": 1, "max_depth": 2}}
    one, other = replace(rows, weight=weight.astype(float)).run(MODULE, params), repeated.run(MODULE, params)
    assert all(alike(*pair) for pair in zip(trees(one[GUEST]), trees(other[GUEST]), strict=True))


def test_columns_are_sampled_alike_at_all_parties_and_by_the_seed() -> None:
    rows = pool([60, 40], columns=8)
    params = {**BASE, "subsample_feature_rate": 0.5, "num_trees": 3}
    one, other = rows.run(MODULE, params), rows.run(MODULE, params)
    assert trees(one[GUEST]) == trees(other[HOSTS[0]])
    assert trees(rows.run(MODULE, params | {"random_seed": 7})[GUEST]) != trees(one[GUEST])
    without = rows.run(MODULE, params | {"random_seed": None})
    assert trees(without[GUEST]) == trees(without[HOSTS[0]])


def test_more_trees_are_grown_from_a_model() -> None:
    rows = pool([60, 40])
    first = rows.run(MODULE, BASE)
    models = {party: first[party].model for party in rows.parties}
    assert all(models.values())
    results = rows.run(MODULE, BASE, rows.inputs(models))  # type: ignore[arg-type]
    whole = rows.run(MODULE, {**BASE, "num_trees": 4})
    assert all(alike(*pair) for pair in zip(trees(results[GUEST]), trees(whole[GUEST]), strict=True))
    assert results[GUEST].summary["feature_importance"] == whole[GUEST].summary["feature_importance"]


def test_a_training_that_is_interrupted_draws_the_columns_of_one_that_is_not() -> None:
    rows, params = pool([60, 40]), {**BASE, "subsample_feature_rate": 0.5}
    first = rows.run(MODULE, {**params, "num_trees": 3})
    models = {party: first[party].model for party in rows.parties}
    rest = rows.run(MODULE, {**params, "num_trees": 2}, rows.inputs(models))  # type: ignore[arg-type]
    whole = rows.run(MODULE, {**params, "num_trees": 5})
    pairs = zip(trees(rest[GUEST]), trees(whole[GUEST]), strict=True)
    assert all(alike(*pair) for pair in pairs)


def test_a_model_is_not_gone_on_from_with_other_missing_values() -> None:
    rows = pool([60, 40])
    models = {party: result.model for party, result in rows.run(MODULE, BASE).items() if result.model is not None}
    outcomes = rows.outcomes(MODULE, {**BASE, "use_missing": True}, rows.inputs(models))
    assert all(
        isinstance(outcomes[party], ModelError) and "use_missing False" in str(outcomes[party])
        for party in rows.parties
    )


def test_each_party_predicts_its_own_rows() -> None:
    rows, other = pool([60, 40]), pool([9, 8], seed=2)
    trained = rows.run(MODULE, BASE)
    messages: list[Message] = []
    inputs = {
        party: Inputs(data={"test_data": [rows.table(party)]}, model=trained[party].model) for party in rows.parties
    }
    results = rows.run(MODULE, BASE, inputs, record=messages.append)
    assert {message.kind for message in messages} == {Kind.PARAMETERS}
    for party in rows.parties:
        np.testing.assert_allclose(scores(results[party]), scores(trained[party]), rtol=1e-12)
    bare = make_table(range(17), {f"x{column}": other.features[:, column] for column in range(4)})
    inputs[GUEST] = Inputs(data={"test_data": [bare]}, model=trained[GUEST].model)
    assert len(rows.run(MODULE, BASE, inputs)[GUEST].data) == 17


def test_validation_stops_the_training_and_keeps_the_best_trees() -> None:
    rows = pool([60, 40])
    wrong = make_table(range(100), {f"x{column}": rows.features[:, column] for column in range(4)}, 1 - rows.label)
    inputs = rows.inputs(validate=rows.table(GUEST, np.arange(100)))
    inputs[GUEST] = Inputs(data={"train_data": [rows.table(GUEST)], "validate_data": [wrong]})
    params = {**BASE, "num_trees": 20, "early_stopping_rounds": 3, "metrics": ["auc"], "validation_freqs": 1}
    results = rows.run(MODULE, params, inputs)
    for party in rows.parties:
        model = results[party].model
        assert model is not None
        assert isinstance(model.param, pb.BoostingTreeModelParam)
        rounds = len(results[party].summary["loss_history"])
        assert rounds < 20
        assert len(model.param.trees_) == model.param.best_iteration + 1 == rounds - 3
        kinds = results[party].data.data.column("type").to_pylist()
        assert kinds.count("validate") == 100
    assert trees(results[GUEST]) == trees(results[HOSTS[0]])


def test_it_ends_at_all_parties_when_the_loss_stays() -> None:
    rows = pool([60, 40])
    results = rows.run(MODULE, {**BASE, "num_trees": 50, "n_iter_no_change": True, "tol": 0.02})
    rounds = {len(results[party].summary["loss_history"]) for party in rows.parties}
    assert len(rounds) == 1
    assert rounds.pop() < 50
    assert results[HOSTS[0]].summary["is_converged"]


def test_each_fold_is_trained_on_the_other_rows() -> None:
    rows = pool([60, 40])
    results = rows.run(MODULE, {**BASE, "cv_param": {"need_cv": True, "n_splits": 3, "random_seed": 5}})
    for party, size in zip(rows.parties, rows.sizes, strict=True):
        assert results[party].model is None
        assert results[party].data.data.num_rows == 3 * size
        assert results[party].summary["fold_2"]["train"]["auc"] > 0.8
    kept = np.ones((100, 3), dtype=bool)
    for party in rows.parties:
        mine = rows.rows(party)
        for fold, part in enumerate(np.array_split(np.random.default_rng(5).permutation(len(mine)), 3)):
            kept[mine[part], fold] = False
    there = np.flatnonzero(kept[:, 1])
    some = Pool(rows.features[there], rows.label[there], [int((there < 60).sum()), int((there >= 60).sum())])
    alone = some.run(MODULE, BASE)[GUEST].summary["loss_history"]
    np.testing.assert_allclose(results[GUEST].summary["fold_1"]["loss_history"], alone, rtol=1e-12)


def test_what_the_arbiter_receives_is_masked_and_little_else() -> None:
    rows = pool([40, 25, 60])
    messages: list[Message] = []
    rows.run(MODULE, BASE, record=messages.append)
    of_arbiter = [message for message in messages if message.receiver == ARBITER]
    assert {message.tag.partition(".")[0] for message in of_arbiter} == {
        "trains", "values", "aggregation_keys", "aggregation_masked", "aggregation_opened", "verdict",
    }  # fmt: skip
    for party in rows.parties:
        words = np.concatenate([
            Masked.from_wire(decode(message.structure, message.body)).words.ravel()
            for message in of_arbiter
            if message.sender == party and "masked" in message.tag
        ])  # fmt: skip
        assert len(np.unique(words)) == len(words)
        assert kstest(words / 2.0**64, "uniform").pvalue > 1e-6
        assert kstest((words & np.uint64(0xFFFF)) / 2.0**16, "uniform").pvalue > 1e-6


def test_the_arbiter_tells_no_histogram() -> None:
    rows = pool([40, 25, 60])
    messages: list[Message] = []
    rows.run(MODULE, BASE, record=messages.append)
    told = [
        decode(message.structure, message.body)
        for message in messages
        if message.sender == ARBITER and "outcome" in message.tag
    ]
    allowed = (set(Decisions.__slots__), {"loss", "exponents"}, {"rows", "mean"})
    for value in told:
        # Besides, in which intervals quantiles are.
        assert isinstance(value, np.ndarray) or set(value) in allowed
    between = {
        message.tag.partition(".")[0] for message in messages if ARBITER not in (message.sender, message.receiver)
    }
    assert between == {"agreement", "aggregation_keys", "aggregation_shares", "verdict"}


def test_training_goes_on_without_a_host_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HomoSecureBoost, "grace_seconds", 1.5)
    rows, since = pool([40, 25, 60]), 1 + quantiles.ROUNDS + 1
    component = HomoSecureBoost(HomoSecureBoostParams(**BASE))
    outcomes = losing_run(rows, lambda: component, "aggregation_masked", since, HOSTS[1])
    for party in rows.parties:
        assert isinstance(outcomes[party], Outputs), outcomes[party]
    whole = rows.run(MODULE, BASE)
    models = [outcomes[party].model for party in rows.parties]
    grown = [[drawn(tree) for tree in forest_of(model).trees] for model in models]
    assert grown[0] == grown[1] == grown[2]
    # The bins are of all rows, the trees of those of two parties.
    there = np.arange(65)
    plain, _ = boosted(
        rows.features[there], rows.label[there], rounds=2, depth=3, bins=8, rate=0.3, regression=False,
        points=borders(rows.features, 8),
    )  # fmt: skip
    assert all(alike(one, other.drawn()) for one, other in zip(grown[0], plain, strict=True))
    assert grown[0] != trees(whole[GUEST])


def failure(rows: Pool, params: dict[str, Any], inputs: Any = None) -> dict[Any, Any]:
    outcomes = rows.outcomes(MODULE, {**BASE, **params}, inputs)
    assert all(isinstance(outcome, FateFederatedError) for outcome in outcomes.values()), outcomes
    return outcomes


def test_one_class_is_refused() -> None:
    rows = replace(pool([40, 25]), label=np.ones(65, np.int64))
    assert any("2 to 1000 classes" in str(outcome) for outcome in failure(rows, {}).values())


def test_missing_values_are_refused_unless_they_are_used() -> None:
    rows = pool([40, 25])
    rows.features[50, 2] = np.nan
    outcomes = failure(rows, {})
    assert "Set use_missing" in str(outcomes[HOSTS[0]])
    assert len(trees(rows.run(MODULE, {**BASE, "use_missing": True})[GUEST])) == 2


def test_columns_without_a_value_or_with_one_alone_split_nothing() -> None:
    rows = pool([40, 25])
    rows.features[:, 0], rows.features[:, 1] = np.nan, 3.0
    results = rows.run(MODULE, {**BASE, "use_missing": True})
    asked = set(results[GUEST].summary["feature_importance"])
    assert asked <= {"x2", "x3"}
    assert asked


def test_nothing_to_split_leaves_a_leaf() -> None:
    rows = pool([40, 25])
    rows.features[:] = 1.0
    results = rows.run(MODULE, BASE)
    assert all(isinstance(tree, float) for tree in trees(results[GUEST]))
    assert len(set(scores(results[GUEST]).tolist())) == 1


def test_tables_without_features_are_refused() -> None:
    rows = replace(pool([40, 25]), features=np.empty((65, 0)))
    assert isinstance(failure(rows, {})[GUEST], DataError)


def test_a_host_without_a_label_is_told_so() -> None:
    rows, host = pool([40, 25]), HOSTS[0]
    bare = make_table(range(25), {f"x{column}": rows.features[40:, column] for column in range(4)})
    outcomes = failure(rows, {}, {GUEST: rows.table(GUEST), host: bare})
    assert isinstance(outcomes[host], DataError)


def test_a_model_of_other_classes_is_not_gone_on_from() -> None:
    rows = pool([60, 40])
    models = {party: result.model for party, result in rows.run(MODULE, BASE).items() if result.model is not None}
    other = replace(rows, label=rows.label + 1)
    outcomes = other.outcomes(MODULE, BASE, other.inputs(models))
    assert any(isinstance(outcome, ModelError) for outcome in outcomes.values())


def test_all_parties_go_on_from_the_same_model() -> None:
    rows = pool([60, 40])
    first, other = rows.run(MODULE, BASE)[GUEST].model, rows.run(MODULE, {**BASE, "num_trees": 1})[GUEST].model
    assert first is not None
    assert other is not None
    for of_host in ({}, {HOSTS[0]: other}):
        outcomes = rows.outcomes(MODULE, BASE, rows.inputs({GUEST: first, **of_host}))
        assert isinstance(outcomes[HOSTS[0]], ModelError)


def test_negative_labels_are_none_of_tweedie() -> None:
    rows = numbers([40, 25])
    params = {"task_type": "regression", "objective_param": {"objective": "tweedie", "params": [1.5]}}
    assert any("tweedie" in str(outcome) for outcome in failure(rows, params).values())


@pytest.mark.parametrize("change", [{"features": np.array([4])}, {"bins": np.array([9])}, {"grows": None}])
def test_impossible_splits_are_refused(change: dict[str, Any]) -> None:
    one = Decisions.leaves(1, 1)
    message = {name: getattr(one, name) for name in Decisions.__slots__}
    assert Decisions.from_wire(message, 1, 4, 8, 1).features.tolist() == [-1]
    with pytest.raises(MessageRejected):
        Decisions.from_wire({**message, **change}, 1, 4, 8, 1)


def test_the_name_of_old_releases_is_taken() -> None:
    rows = pool([40, 25])
    results = rows.run("HomoSecureboost", BASE)
    model = results[GUEST].model
    assert model is not None
    assert model.module == MODULE
    assert trees(results[GUEST]) == trees(rows.run(MODULE, BASE)[GUEST])


@pytest.mark.parametrize("name", ["use_missing", "zero_as_missing"])
@pytest.mark.parametrize("of_tree", [False, True])
def test_parties_that_see_other_values_as_missing_are_refused(name: str, of_tree: bool) -> None:
    rows = pool([40, 25])
    federation = Federation((*rows.parties, ARBITER), seed=0, deadline_seconds=30)
    differs: dict[str, Any] = {"tree_param": {name: True}} if of_tree else {name: True}
    outcomes = federation.outcomes(MODULE, BASE, rows.inputs(), party_params={HOSTS[0]: differs})
    told = f"guest-9999 and host-10000 have other values of {'tree_param.' if of_tree else ''}{name} for"
    assert isinstance(outcomes[HOSTS[0]], ConfigError)
    assert told in str(outcomes[HOSTS[0]])
    assert all(isinstance(outcome, FateFederatedError) for outcome in outcomes.values())
