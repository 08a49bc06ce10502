"""Data that are split over parties, and what they learn of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fate_components.secureboost.model import forest_of, host_forest_of
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import boosting_tree_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

Floats = npt.NDArray[np.float64]
GUEST = Party.parse("guest-9999")
HOSTS = (Party.parse("host-10000"), Party.parse("host-10001"))
OURS: dict[str, Any] = {
    "encrypt_param": {"key_length": 1024}, "num_trees": 2, "bin_num": 8, "n_iter_no_change": False,
    "objective_param": {"objective": "cross_entropy"},
}  # fmt: skip
REGRESSION: dict[str, Any] = {"task_type": "regression", "objective_param": {"objective": "lse"}}


def some_rows(rows: int, columns: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Features, and a number that depends on them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, columns))
    number = features @ rng.normal(size=columns) + np.sin(3 * features[:, -1]) + rng.normal(scale=0.3, size=rows)
    return features, number


def split_tables(
    features: Floats, label: npt.ArrayLike | None, owned: Mapping[Party, Sequence[int]], first_id: int = 0
) -> dict[Party, Table]:
    """A table for each party with its columns, named after their place in ``features``."""
    ids = np.arange(len(features)) + first_id
    return {
        party: make_table(ids, {f"x{place}": features[:, place] for place in places}, label if party == GUEST else None)
        for party, places in owned.items()
    }


def learn(
    params: Mapping[str, Any], train: Mapping[Party, Table], validate: Mapping[Party, Table] | None = None,
    models: Mapping[Party, Model] | None = None, module: str = "HeteroSecureBoost", **options: Any,
) -> dict[Party, PartyResult]:  # fmt: skip
    inputs = {}
    for party, table in train.items():
        data = {"train_data": [table]}
        if validate is not None:
            data["validate_data"] = [validate[party]]
        inputs[party] = Inputs(data=data, model=(models or {}).get(party))
    federation = Federation(tuple(train), seed=0, deadline_seconds=60, **options)
    return federation.run(module, {**OURS, **params}, inputs)


def predict(
    params: Mapping[str, Any], tables: Mapping[Party, Table], results: Mapping[Party, PartyResult], **options: Any
) -> dict[Party, PartyResult]:
    inputs = {party: Inputs(data={"test_data": [table]}, model=results[party].model) for party, table in tables.items()}
    federation = Federation(tuple(tables), seed=0, deadline_seconds=60, **options)
    return federation.run("HeteroSecureBoost", {**OURS, **params}, inputs)


def drawn(results: Mapping[Party, PartyResult]) -> list[Any]:
    """The trees as nested tuples of (column, threshold, missing_left, left, right), put together from all parties."""
    models = {party: result.model for party, result in results.items()}
    guest = models[GUEST]
    assert guest is not None
    forest = forest_of(guest)
    parties = {f"{party.role}:{party.party_id}": party for party in results}
    found = []
    for number, tree in enumerate(forest.trees):
        asked = {}
        for party, model in models.items():
            assert model is not None
            some = forest.trees[number].own if party == GUEST else host_forest_of(model).trees[number]
            assert isinstance(model.param, pb.BoostingTreeModelParam)
            names = model.param.feature_name_fid_mapping
            for place, node in enumerate(some.nodes.tolist()):
                column = int(names[int(some.features[place])].removeprefix("x"))
                asked[node] = (party, column, float(some.thresholds[place]), bool(some.missing_left[place]))

        def node_of(node: int, tree: Any = tree, asked: Any = asked) -> Any:
            if tree.owner[node] < 0:
                return np.round(tree.weight[node], 6).tolist()
            party, *question = asked[node]
            assert party == parties[forest.sites[tree.owner[node]]]
            return *question, node_of(tree.left[node]), node_of(tree.right[node])

        found.append(node_of(0))
    return found


def alike(one: Any, other: Any) -> bool:
    """Whether two trees are the same, leaves to 2e-6."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[:3] == other[:3] and alike(one[3], other[3]) and alike(one[4], other[4])
    return not isinstance(one, tuple) and not isinstance(other, tuple) and np.allclose(one, other, rtol=0, atol=2e-6)
