from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from adding import ADDING

from fate_federated import federation as federation_module
from fate_federated.errors import (
    AttemptFailed,
    DataError,
    DslError,
    ModelError,
    TableNotFound,
    TransportError,
    public_text,
)
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Kind, decode

GUEST, HOST, OTHER = (Party.parse(text) for text in ("guest-9999", "host-10000", "host-10001"))
ARBITER = Party.parse("arbiter-10000")


def test_each_party_computes_its_part_with_its_own_parameters() -> None:
    results = Federation([GUEST, HOST, OTHER, ARBITER]).run(ADDING, {"amount": 2}, party_params={OTHER: {"amount": 5}})
    assert [results[party].summary["total"] for party in (GUEST, HOST, OTHER)] == [9, 9, 9]
    assert ARBITER not in results


def test_only_the_participants_take_part() -> None:
    results = Federation([GUEST, HOST, OTHER]).run(ADDING, participants=[GUEST, OTHER])
    assert results[GUEST].summary["total"] == 2
    assert HOST not in results


def test_every_message_is_recorded_as_the_bytes_that_travel() -> None:
    messages: list[Message] = []
    results = Federation([GUEST, HOST], record=messages.append).run(ADDING, {"amount": 21})
    assert [(str(message.sender), str(message.receiver), message.tag) for message in messages] == [
        ("host-10000", "guest-9999", "amount"),
        ("guest-9999", "host-10000", "total"),
    ]
    assert messages[0].kind is Kind.PARAMETERS
    assert decode(messages[1].structure, messages[1].body) == 42
    assert results[GUEST].traffic.sent_bytes == len(messages[1].structure)


def test_a_failing_party_fails_the_others_with_its_name_and_the_kind_of_error() -> None:
    outcomes = Federation([GUEST, HOST, OTHER]).outcomes(ADDING, party_params={HOST: {"refuse": True}})
    assert isinstance(outcomes[HOST], DataError)
    for party in (GUEST, OTHER):
        told = outcomes[party]
        assert isinstance(told, AttemptFailed)
        assert str(told) == "host-10000 failed: DataError (see the log of its task)"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DataError("The columns are age, income."), "DataError (see the log of its task)"),
        (ModelError("The model has no column age."), "ModelError (see the log of its task)"),
        (ArithmeticError("patient 4711"), "ArithmeticError (see the log of its task)"),
        (DataError("No id is common.", public=True), "DataError: No id is common."),
        (TransportError("No answer."), "TransportError: No answer."),
    ],
)
def test_other_parties_are_told_nothing_of_a_party_s_columns(error: Exception, told: str) -> None:
    assert public_text(error) == told


def test_a_missing_table_is_told_to_all() -> None:
    assert "There is no table experiment.breast" in public_text(TableNotFound("experiment", "breast"))


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("HeteroPearson", {"column_names": ["x0"]}),
        ("HeteroFeatureBinning", {"bin_indexes": [], "bin_names": ["x0"]}),
    ],
)
def test_the_header_of_a_host_stays_there(module: str, params: dict[str, Any]) -> None:
    tables = {
        GUEST: make_table(range(8), {"x0": np.arange(8.0)}, label=[0, 1] * 4),
        HOST: make_table(range(8), {"hidden": np.arange(8.0)}),
    }
    outcomes = Federation([GUEST, HOST]).outcomes(module, params, tables)
    assert "the columns are hidden" in str(outcomes[HOST])
    assert str(outcomes[GUEST]) == "host-10000 failed: DataError (see the log of its task)"


def test_run_raises_what_the_first_party_to_fail_raised() -> None:
    with pytest.raises(DataError, match="no amount today") as caught:
        Federation([GUEST, HOST, OTHER]).run(ADDING, party_params={HOST: {"refuse": True}})
    assert caught.value.__notes__ == ["Adding at host-10000"]


def test_a_party_that_ends_without_a_promised_message_is_named_at_once() -> None:
    with pytest.raises(TransportError, match="host-10000 ended without sending 'amount' to guest-9999"):
        Federation([GUEST, HOST]).run(ADDING, party_params={HOST: {"forget": True}})


def test_parties_that_wait_for_each_other_are_named_at_once() -> None:
    waits = "Every party waits for another: guest-9999 for 'never' of host-10000, host-10000 for 'total' of guest-9999"
    with pytest.raises(TransportError, match=waits):
        Federation([GUEST, HOST]).run(ADDING, {"wait": True})


def test_a_wrong_parameter_is_named_with_its_place() -> None:
    with pytest.raises(DslError, match="/Adding/amount") as caught:
        Federation([GUEST, HOST]).run(ADDING, {"amount": "many", "sum": 1})
    assert [problem.pointer for problem in caught.value.problems] == ["/Adding/amount", "/Adding/sum"]


def test_without_need_run_the_data_passes_unchanged() -> None:
    messages: list[Message] = []
    table = make_table([1, 2], {"x": [0.5, 1.5]})
    results = Federation([GUEST, HOST], record=messages.append).run(ADDING, {"need_run": False}, {GUEST: table})
    assert results[GUEST].data is table
    assert results[HOST].outputs.data == ()
    assert messages == []


def test_a_seed_repeats_each_partys_own_draws() -> None:
    draws = [
        [result.summary["draw"] for result in Federation([GUEST, HOST], seed=7).run(ADDING).values()] for _ in range(2)
    ]
    assert draws[0] == draws[1]
    assert draws[0][0] != draws[0][1]


def test_the_example_of_the_docstring_works() -> None:
    assert doctest.testmod(federation_module).failed == 0
