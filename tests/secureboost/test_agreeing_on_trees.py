"""What has to be the same at all parties is compared before anything is done."""

from __future__ import annotations

from typing import Any

import pytest
from boosting_parties import GUEST, HOSTS, OURS, REGRESSION, drawn, learn, some_rows, split_tables

from fate_federated.errors import AttemptEnded, ConfigError, DataError
from fate_federated.federation import Federation, PartyResult
from fate_federated.task.component import Inputs

OWNED = {GUEST: [0, 1], HOSTS[0]: [2, 3, 4]}
OWNED_BY_THREE = {GUEST: [0, 1], HOSTS[0]: [2, 3], HOSTS[1]: [4]}


@pytest.mark.parametrize(
    ("differs", "name"),
    [
        ({"cipher_compress": False}, "cipher_compress"),
        ({"cipher_compress_error": 3}, "cipher_compress_error"),
        ({"encrypt_param": {"key_length": 2048}}, "encrypt_param.key_length"),
        ({"tree_param": {"max_depth": 5}}, "tree_param.max_depth"),
        ({"complete_secure": 1}, "complete_secure"),
        ({"boosting_strategy": "mix"}, "boosting_strategy (work_mode)"),
        ({"work_mode": "layered"}, "boosting_strategy (work_mode)"),
        ({"num_trees": 1}, "num_trees"),
        ({"num_trees": 3}, "num_trees"),
        ({"tree_num_per_party": 2}, "tree_num_per_party"),
        ({"host_depth": 2}, "host_depth"),
        ({"guest_depth": 3}, "guest_depth"),
        ({"cv_param": {"need_cv": True}}, "cv_param.need_cv"),
        ({"cv_param": {"n_splits": 3}}, "cv_param.n_splits"),
        ({"run_goss": True}, "run_goss"),
        ({"subsample_feature_rate": 0.5}, "subsample_feature_rate"),
        ({"callback_param": {"callbacks": ["ModelCheckpoint"]}}, "callback_param (ModelCheckpoint)"),
    ],
)
@pytest.mark.parametrize("other", [GUEST, HOSTS[1]])
def test_a_training_with_other_parameters_is_refused_at_all_parties(
    differs: dict[str, Any], name: str, other: Any
) -> None:
    features, number = some_rows(40, 5)
    tables = split_tables(features, (number > 0).astype(int), OWNED_BY_THREE)
    outcomes = Federation(tuple(tables), seed=0, deadline_seconds=30).outcomes(
        "HeteroSecureBoost", OURS, tables, party_params={other: differs}
    )
    assert any(isinstance(outcome, ConfigError) for outcome in outcomes.values())
    for outcome in outcomes.values():
        assert isinstance(outcome, Exception)
        assert f"other values of {name} for" in str(outcome)


@pytest.mark.parametrize(
    ("differs", "name"),
    [({"EINI_inference": True}, "EINI_inference"), ({"EINI_random_mask": True}, "EINI_random_mask")],
)
@pytest.mark.parametrize("other", [GUEST, HOSTS[0]])
def test_a_prediction_with_other_parameters_is_refused_at_all_parties(
    differs: dict[str, Any], name: str, other: Any
) -> None:
    features, number = some_rows(40, 5)
    tables = split_tables(features, number, OWNED)
    learnt = learn(REGRESSION, tables)
    inputs = {party: Inputs(data={"test_data": [table]}, model=learnt[party].model) for party, table in tables.items()}
    outcomes = Federation(tuple(tables), seed=0, deadline_seconds=30).outcomes(
        "HeteroSecureBoost", {**OURS, **REGRESSION}, inputs, party_params={other: differs}
    )
    assert isinstance(outcomes[HOSTS[0]], ConfigError)
    for outcome in outcomes.values():
        assert isinstance(outcome, Exception)
        assert f"other values of {name} for" in str(outcome)


def test_a_partys_own_parameters_may_differ() -> None:
    features, number = some_rows(40, 5)
    tables = split_tables(features, number, OWNED)
    own = {"bin_num": 4, "use_missing": True, "random_seed": 7, "learning_rate": 0.9, "boosting_strategy": "mix"}
    params = {**OURS, **REGRESSION, "work_mode": "mix"}
    outcomes = Federation(tuple(tables), seed=0, deadline_seconds=30).outcomes(
        "HeteroSecureBoost", params, tables, party_params={HOSTS[0]: own | {"complete_secure": False}}
    )
    results = {party: outcome for party, outcome in outcomes.items() if isinstance(outcome, PartyResult)}
    assert len(drawn(results)) == 2


@pytest.mark.parametrize("other", [GUEST, HOSTS[0]])
def test_all_parties_train_or_none_does(other: Any) -> None:
    features, number = some_rows(40, 5)
    tables = split_tables(features, number, OWNED)
    learnt = learn(REGRESSION, tables)
    inputs = {
        party: Inputs(data={"test_data" if party == other else "train_data": [table]}, model=learnt[party].model)
        for party, table in tables.items()
    }
    params = {**OURS, **REGRESSION, "cv_param": {"need_cv": True, "n_splits": 2}}
    outcomes = Federation(tuple(tables), seed=0, deadline_seconds=30).outcomes("HeteroSecureBoost", params, inputs)
    assert isinstance(outcomes[HOSTS[0]], DataError)
    assert "do not both have training data" in str(outcomes[HOSTS[0]])
    assert isinstance(outcomes[GUEST], AttemptEnded)
