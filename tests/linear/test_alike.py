"""Parties whose parameters differ do not train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fate_federated.errors import ConfigError
from fate_federated.federation import Federation
from fate_federated.party import Party

from .parties import ARBITER, GUEST, HOSTS, OUR_DEFAULTS, case

HOST = HOSTS[0]


def outcomes(module: str, party: Party, params: Mapping[str, Any]) -> dict[Party, Any]:
    data = replace(case("HeteroLinR" if "LinR" in module else "HeteroLR", 40, 2, 2), module=module)
    parties = (GUEST, HOST) if "SSHE" in module else (GUEST, HOST, ARBITER)
    federation = Federation(parties, seed=0, deadline_seconds=60)
    return federation.outcomes(module, OUR_DEFAULTS | {"max_iter": 1}, data.inputs(), party_params={party: params})


@pytest.mark.parametrize(
    ("module", "party", "params", "named"),
    [
        ("HeteroLR", HOST, {"alpha": 2, "learning_rate": 0.5}, "alpha, learning_rate"),
        ("HeteroLR", HOST, {"cv_param": {"need_cv": True, "n_splits": 3}}, "cv_param.n_splits, cv_param.need_cv"),
        ("HeteroLR", HOST, {"stepwise_param": {"need_stepwise": True}}, "stepwise_param.need_stepwise"),
        ("HeteroLR", HOST, {"floating_point_precision": 40}, "floating_point_precision"),
        ("HeteroLR", HOST, {"encrypt_param": {"key_length": 2048}}, "encrypt_param.key_length"),
        ("HeteroLR", ARBITER, {"max_iter": 2, "early_stop": "weight_diff"}, "early_stop, max_iter"),
        ("HeteroLinR", HOST, {"optimizer": "adam"}, "optimizer"),
        ("HeteroSSHELR", HOST, {"reveal_every_iter": True}, "reveal_every_iter"),
        ("HeteroSSHELinR", HOST, {"penalty": None}, "penalty"),
    ],
)
def test_who_was_given_other_values_says_so(module: str, party: Party, params: Mapping[str, Any], named: str) -> None:
    found = outcomes(module, party, params)
    assert isinstance(found[party], ConfigError)
    for one in found:
        assert f"guest-9999 and {party} have other values of {named} for" in str(found[one])


@pytest.mark.parametrize("params", [{"init_param": {"init_method": "ones"}}, {"predict_param": {"threshold": 0.3}}])
def test_what_each_party_reads_for_itself_may_differ(params: Mapping[str, Any]) -> None:
    assert not [one for one in outcomes("HeteroLR", HOST, params).values() if isinstance(one, Exception)]
