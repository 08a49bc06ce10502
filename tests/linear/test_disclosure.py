"""Scores that are a host's column, up to a factor, are not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fate_components.linear.disclosure import shows_a_column
from fate_federated.errors import DataError
from fate_federated.federation import Federation
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.transport.memory import Message

from .parties import ARBITER, GUEST, HOSTS, OUR_DEFAULTS, Case, case

HOST = HOSTS[0]
SPARSE: Mapping[str, Any] = {"penalty": "L1", "alpha": 0.12, "max_iter": 8}
VALIDATED = {"callback_param": {"callbacks": ["PerformanceEvaluate"], "validation_freqs": 8}}
SCORES = {"predicted_score", "fold_score", "validation_score"}


def refused(data: Case, params: Mapping[str, Any], inputs: Mapping[Party, Inputs] | None = None) -> bool:
    """Whether the host refuses, and has then sent no scores."""
    seen: list[Message] = []
    parties = (GUEST, HOST) if "SSHE" in data.module else (GUEST, HOST, ARBITER)
    federation = Federation(parties, seed=0, record=seen.append, deadline_seconds=60)
    outcomes = federation.outcomes(data.module, OUR_DEFAULTS | dict(params), inputs or data.inputs())
    if not isinstance(outcomes[HOST], DataError):
        assert not [outcome for outcome in outcomes.values() if isinstance(outcome, Exception)]
        return False
    assert "host-10000 has one feature only" in str(outcomes[HOST])
    assert not [message for message in seen if message.sender == HOST and message.tag.split(".")[0] in SCORES]
    return True


def only(data: Case, *columns: int) -> Case:
    """The host's other columns are constant."""
    features = data.features.copy()
    for column in {2, 3, 4} - set(columns):
        features[:, column] = 1.0
    return replace(data, features=features)


@pytest.mark.parametrize(("module", "more"), [("HeteroLR", {}), ("HeteroSSHELR", {"reveal_every_iter": True})])
def test_a_host_to_which_l1_leaves_one_feature_refuses(module: str, more: Mapping[str, Any]) -> None:
    data = replace(case("HeteroLR", 80, 2, 3), module=module)
    assert refused(data, SPARSE | more)
    assert not refused(data, more)


def test_the_scores_of_validation_while_training_are_judged_too() -> None:
    data = case("HeteroLR", 80, 2, 3)
    assert refused(data, {**SPARSE, **VALIDATED, "alpha": 0.14}, data.inputs(slice(60), slice(60, 80)))
    assert not refused(data, {"max_iter": 8} | VALIDATED, data.inputs(slice(60), slice(60, 80)))


def test_the_scores_of_folds_are_judged_too() -> None:
    assert refused(case("HeteroLR", 80, 2, 3), {**SPARSE, "alpha": 0.13, "cv_param": {"need_cv": True, "n_splits": 2}})


@pytest.mark.parametrize("reveal", ["respectively", "encrypted_reveal_in_host"])
def test_a_host_with_one_column_that_is_not_constant_refuses(reveal: str) -> None:
    data = replace(only(case("HeteroLR", 40, 2, 3), 4), module="HeteroSSHELR")
    assert refused(data, {"reveal_strategy": reveal, "max_iter": 1})


def test_a_host_whose_scores_are_constant_shows_nothing_and_trains() -> None:
    assert refused(only(case("HeteroLR", 40, 2, 3), 3), {"max_iter": 1})
    assert not refused(only(case("HeteroLR", 40, 2, 3)), {"max_iter": 1})


@pytest.mark.parametrize(
    ("columns", "weights", "shown"),
    [
        ([[1, 2, 4, 3], [5, 1, 2, 2]], [[1.0], [0.5]], False),
        ([[1, 2, 4, 3], [5, 1, 2, 2]], [[0.0], [0.5]], True),
        ([[1, 2, 4, 3], [5, 1, 2, 2]], [[0.0], [0.0]], False),
        ([[1, 2, 4, 3], [5, 1, 2, 2]], [[1.0, 0.0], [1.0, 1.0]], True),
        ([[1, 2, 4, 3], [7, 7, 7, 7]], [[1.0], [0.5]], True),
        ([[7, 7, 7, 7], [7, 7, 7, 7]], [[1.0], [0.5]], False),
        ([[0, 1, 1, 0], [1, 0, 0, 1]], [[1.0], [0.5]], True),
        ([[1, 2], [5, 1]], [[1.0], [0.5]], False),
        ([[1, 2], [5, 5]], [[1.0], [0.5]], True),
        ([[3], [5]], [[1.0], [0.5]], False),
        ([[], []], [[1.0], [0.5]], False),
    ],
)  # fmt: skip
def test_which_scores_are_a_column(columns: Any, weights: Any, shown: bool) -> None:
    assert shows_a_column(np.array(columns, dtype=float).T, np.array(weights)) is shown
