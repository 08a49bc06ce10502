"""Serving's flat form of the trees gives the scores of the trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from boosting_parties import GUEST, HOSTS, REGRESSION, learn, some_rows, split_tables

from fate_components.secureboost.model import forest_of, host_forest_of, unpacked_answers
from fate_serving.forest import FlatForest, FlatSplits, host_splits

OWNED = {GUEST: [0, 1], HOSTS[0]: [2, 3, 4]}


@pytest.mark.parametrize(("params", "classes"), [(REGRESSION, 0), ({}, 3), ({"multi_mode": "multi_output"}, 3)])
def test_flat_trees_give_the_same_scores(params: dict[str, Any], classes: int) -> None:
    features, number = some_rows(80, 5)
    features[np.random.default_rng(1).random(features.shape) < 0.1] = np.nan
    label = np.digitize(number, np.quantile(number, [0.3, 0.7])) if classes else number
    results = learn({**params, "use_missing": True}, split_tables(features, label, OWNED))
    forest, host = forest_of(results[GUEST].model), host_forest_of(results[HOSTS[0]].model)
    own, theirs = features[:, :2], features[:, 2:]
    site = forest.sites.index("host:10000")
    answers = unpacked_answers(host.answers(theirs), [len(tree.nodes) for tree in host.trees])
    expected = forest.scores(own, {site: answers})
    guest = FlatSplits.of(tuple(tree.own for tree in forest.trees))
    decisions = {0: guest.goes_left(own), site: host_splits(host).goes_left(theirs)}
    assert np.allclose(FlatForest.of(forest).scores(decisions, 80), expected, rtol=0, atol=1e-12)
