"""Trees as plain values and as pictures."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from boosting_parties import GUEST, HOSTS, REGRESSION, learn, some_rows, split_tables

from fate_components.secureboost.drawing import drawn_trees, graphviz
from fate_components.secureboost.model import forest_of, host_forest_of

OWNED = {GUEST: [0, 1], HOSTS[0]: [2, 3, 4]}
KEYS = {"id", "party", "feature", "threshold", "missing", "gain", "weight", "left", "right"}


def told(results: Any) -> Any:
    """What the tracker of the guest was told, as JSON gives it back."""
    return json.loads(json.dumps(results[GUEST].tracker.meta["train", "trees"]))


def test_rows_can_be_led_through_the_values_to_their_scores() -> None:
    features, label = some_rows(80, 5)
    features[np.random.default_rng(1).random(features.shape) < 0.1] = np.nan
    results = learn(REGRESSION | {"use_missing": True}, split_tables(features, label, OWNED))
    hosts = host_forest_of(results[HOSTS[0]].model)
    meta = told(results)
    forest = forest_of(results[GUEST].model)
    scores = np.full(80, forest.start[0])
    for tree, splits in zip(meta["trees"], hosts.trees, strict=True):
        assert tree["class"] is None
        assert [node["id"] for node in tree["nodes"]] == list(range(len(tree["nodes"])))
        places = {node: place for place, node in enumerate(splits.nodes.tolist())}
        of_host = splits.goes_left(features[:, 2:])
        for row in range(80):
            node = tree["nodes"][0]
            assert set(node) == KEYS
            while node["party"] is not None:
                if node["party"] == "guest:9999":
                    value = features[row, int(node["feature"].removeprefix("x"))]
                    left = node["missing"] == "left" if np.isnan(value) else value <= node["threshold"]
                else:
                    assert node["threshold"] is None
                    assert node["missing"] is None
                    place = places[node["id"]]
                    assert node["feature"] == f"host_10000_{splits.features[place]}"
                    left = of_host[row, place]
                node = tree["nodes"][node["left"] if left else node["right"]]
            scores[row] += forest.learning_rate * node["weight"]
    assert np.allclose(scores, results[GUEST].data.data.column("predict_score").to_numpy())


def test_gains_are_those_of_the_importance_also_in_a_model_that_goes_on() -> None:
    features, label = some_rows(80, 5)
    tables = split_tables(features, label, OWNED)
    params = REGRESSION | {"tree_param": {"feature_importance_type": "gain"}}
    first = learn(params, tables)
    whole = learn(params, tables, models={party: result.model for party, result in first.items()})
    trees = told(whole)["trees"]
    assert trees[:2] == told(first)["trees"]
    gains: dict[str, float] = {}
    for tree in trees:
        for node in tree["nodes"]:
            if node["party"] is not None:
                gains[node["feature"]] = gains.get(node["feature"], 0) + node["gain"]
    assert gains == pytest.approx(whole[GUEST].summary["feature_importance"])
    assert drawn_trees(forest_of(whole[GUEST].model)) == trees


@pytest.mark.parametrize("together", [True, False])
def test_trees_of_classes_say_which(together: bool) -> None:
    features, number = some_rows(90, 5)
    label = np.digitize(number, np.quantile(number, [0.3, 0.7]))
    params = {"multi_mode": "multi_output" if together else "single_output", "num_trees": 1}
    trees = told(learn(params, split_tables(features, label, OWNED)))["trees"]
    assert [tree["class"] for tree in trees] == ([None] if together else ["0", "1", "2"])
    weights = [node["weight"] for tree in trees for node in tree["nodes"] if node["party"] is None]
    assert all(isinstance(weight, list) and len(weight) == 3 for weight in weights) == together


def test_graphviz_gets_every_node_and_edge() -> None:
    features, label = some_rows(80, 5)
    meta = told(learn(REGRESSION, split_tables(features, label, OWNED)))
    for tree, text in zip(meta["trees"], meta["dot"], strict=True):
        assert text == graphviz(tree)
        assert len(re.findall(r"^    \d+ \[label=", text, re.MULTILINE)) == len(tree["nodes"])
        assert len(re.findall(r"^    \d+ -> \d+ \[label=", text, re.MULTILINE)) == len(tree["nodes"]) - 1
    odd = {"party": "guest:1", "feature": 'a "b" \\', "threshold": 0.5, "gain": None, "left": 1, "right": 2}
    leaf = {"party": None, "weight": 1.0}
    nodes = [{"id": 0, **odd}, {"id": 1, **leaf}, {"id": 2, **leaf}]
    text = graphviz({"tree": 0, "class": "good", "nodes": nodes})
    assert r'0 [label="a \"b\" \\ <= 0.5\nguest:1"];' in text
    assert '"tree 0, class good"' in text
