from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.scripted_peer import content, run_against
from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PublicKey, generate_keypair
from fate_components.hetero_pearson.exchange import (
    FRACTION_BITS,
    Plan,
    check_columns,
    constant_from_wire,
    correlation_from_wire,
    decrypted_sums,
    encrypted_columns,
    product_sums,
)
from fate_components.hetero_pearson.model import (
    constant_columns,
    correlations_of,
    local_correlation,
    party_text,
    standardise,
    variance_inflation,
)
from fate_components.hetero_pearson.spec import HETERO_PEARSON
from fate_components.tables import row_digest
from fate_federated.errors import (
    AttemptFailed,
    ConfigError,
    CryptoError,
    DataError,
    DslError,
    MessageRejected,
    ModelError,
)
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import pearson_pb2 as pb
from fate_federated.pb.model import statistics_pb2
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message

ROWS = 120
CHEAP = {"fixpoint_bit_length": 1024}


def tables(guest: Party, *hosts: Party, rows: int = ROWS) -> dict[Party, Table]:
    """Columns of all sizes, some of which go together, within a party and between parties."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=rows)
    found = {
        guest: make_table(
            range(rows),
            {
                "a": base + 0.1 * rng.normal(size=rows),
                "b": 1e9 * rng.normal(size=rows) + 1e12,
                "c": rng.exponential(size=rows) ** 4,
            },
            rng.integers(0, 2, rows),
        )
    }
    for place, host in enumerate(hosts):
        noise = rng.normal(size=rows)
        found[host] = make_table(
            range(rows),
            {"u": -base + (0.2 + place) * noise, "v": 1e-9 * noise, "w": rng.integers(0, 2, rows), "x": noise - base},
        )
    return found


def run(inputs: dict[Party, Table], params: dict[str, Any] | None = None, **options: Any) -> dict[Party, PartyResult]:
    federation = Federation(list(inputs), record=options.pop("record", None))
    return federation.run(HETERO_PEARSON, CHEAP | (params or {}), inputs, **options)


def param(result: PartyResult) -> pb.PearsonModelParam:
    assert result.model is not None
    assert isinstance(result.model.param, pb.PearsonModelParam)
    return result.model.param


def joined(*parts: Table) -> Any:
    """NumPy's correlations of all columns beside each other; NaN of a constant one."""
    with np.errstate(invalid="ignore"):
        return np.atleast_2d(np.corrcoef(np.hstack([part.features for part in parts]), rowvar=False))


def test_correlations_are_those_of_the_joined_columns(guest: Party, host: Party, other_host: Party) -> None:
    inputs = tables(guest, host, other_host)
    results = run(inputs)
    whole = joined(*inputs.values())
    at_guest = correlations_of(results[guest].model) if results[guest].model else None
    assert at_guest is not None
    np.testing.assert_allclose(at_guest.cross[party_text(host)], whole[:3, 3:7], atol=1e-6)
    np.testing.assert_allclose(at_guest.cross[party_text(other_host)], whole[:3, 7:], atol=1e-6)
    np.testing.assert_allclose(at_guest.local, whole[:3, :3], atol=1e-9)
    for party, span in ((host, slice(3, 7)), (other_host, slice(7, 11))):
        model = results[party].model
        assert model is not None
        at_host = correlations_of(model)
        np.testing.assert_array_equal(at_host.cross[party_text(guest)], at_guest.cross[party_text(party)])
        np.testing.assert_allclose(at_host.local, whole[span, span], atol=1e-9)
        assert results[party].data is inputs[party]


def test_the_model_names_columns_and_parties_as_fates(guest: Party, host: Party) -> None:
    results = run(tables(guest, host), {"column_names": ["a"], "column_indexes": [2]}, party_params={host: {
        "column_names": ["x"], "column_indexes": []}})  # fmt: skip
    at_guest, at_host = param(results[guest]), param(results[host])
    assert list(at_guest.names) == ["a", "c"]
    assert list(at_host.names) == ["x"]
    for model in (at_guest, at_host):
        assert list(model.parties) == ["('guest', 9999)", "('host', 10000)"]
        assert list(model.shapes) == [2, 1]
        assert [list(names.names) for names in model.all_names] == [["guest_9999_0", "guest_9999_2"], ["host_10000_3"]]
    assert {one.anonymous: one.name for one in at_host.anonymous_map} == {"host_10000_3": "x"}
    assert (at_guest.party, at_host.shape) == ("('guest', 9999)", 1)
    assert results[guest].metrics.keys() == {("statistic", "correlation")}


def test_inflation_factors_are_those_of_regressions(guest: Party) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(80, 4))
    values[:, 3] += 2 * values[:, 0] - values[:, 1]
    result = run({guest: make_table(range(80), dict(zip("abcd", values.T, strict=True)))})[guest]
    expected = []
    for column in range(4):
        others = np.column_stack([np.ones(80), np.delete(values, column, axis=1)])
        residual = values[:, column] - others @ np.linalg.lstsq(others, values[:, column], rcond=None)[0]
        expected.append(values[:, column].var() / residual.var())
    np.testing.assert_allclose(param(result).local_vif, expected, rtol=1e-6)
    assert result.summary["vif"] == dict(zip("abcd", param(result).local_vif, strict=True))


def test_columns_that_others_make_up_have_no_finite_factor() -> None:
    rng = np.random.default_rng(6)
    free = rng.normal(size=(50, 3))
    values = np.column_stack([free, free[:, 0] - 3 * free[:, 1], np.full(50, 0.1)])
    found = variance_inflation(local_correlation(standardise(values)))
    assert np.isinf(found[[0, 1, 3]]).all()
    assert found[2] == pytest.approx(1, abs=0.2)
    assert np.isnan(found[4])


def test_constant_columns_have_no_correlation(guest: Party, host: Party) -> None:
    rng = np.random.default_rng(7)
    inputs = {
        guest: make_table(range(30), {"same": np.full(30, 0.5), "a": rng.normal(size=30)}),
        host: make_table(range(30), {"b": rng.normal(size=30), "still": np.zeros(30)}),
    }
    results = run(inputs)
    whole = joined(*inputs.values())
    for result in results.values():
        np.testing.assert_allclose(np.array(param(result).corr).reshape(2, 2), whole[:2, 2:], atol=1e-6)
    np.testing.assert_allclose(np.array(param(results[guest]).local_corr).reshape(2, 2), whole[:2, :2], atol=1e-9)
    assert results[guest].summary["corr"]["host_10000"][0] == [None, None]
    assert results[guest].summary["vif"] == {"same": None, "a": pytest.approx(1)}


@pytest.mark.parametrize(("of_guest", "of_host"), [(1, 1), (1, 0), (0, 2), (0, 0)])
def test_a_party_may_compare_few_columns_or_none(of_guest: int, of_host: int, guest: Party, host: Party) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(20, of_guest + of_host))
    inputs = {
        guest: make_table(range(20), {f"g{place}": values[:, place] for place in range(of_guest)}),
        host: make_table(range(20), {f"h{place}": values[:, of_guest + place] for place in range(of_host)}),
    }
    results = run(inputs)
    for result in results.values():
        assert list(param(result).shapes) == [of_guest, of_host]
        assert len(param(result).corr) == of_guest * of_host
    if of_guest and of_host:
        assert param(results[guest]).corr[0] == pytest.approx(joined(*inputs.values())[0, 1], abs=1e-6)


def test_a_row_may_need_several_ciphertexts(guest: Party, host: Party) -> None:
    rng = np.random.default_rng(10)
    values = rng.normal(size=(60, 42)) @ rng.normal(size=(42, 42))
    inputs = {
        guest: make_table(range(60), {f"g{place}": values[:, place] for place in range(40)}),
        host: make_table(range(60), {f"h{place}": values[:, 40 + place] for place in range(2)}),
    }
    results = run(inputs)
    whole = joined(*inputs.values())
    np.testing.assert_allclose(np.array(param(results[host]).corr).reshape(40, 2), whole[:40, 40:], atol=1e-6)


def test_nothing_but_that_is_sent_without_cross_parties(guest: Party, host: Party, messages: list[Message]) -> None:
    results = run(tables(guest, host), {"cross_parties": False, "calc_local_vif": False}, record=messages.append)
    assert sorted((str(each.sender), each.tag, content(each)) for each in messages) == [
        ("guest-9999", "plan", {"cross_parties": "false"}), ("host-10000", "names", {"cross_parties": "false"})
    ]  # fmt: skip
    for result in results.values():
        assert not param(result).corr
        assert not param(result).local_vif
        assert len(param(result).local_corr) == param(result).shape ** 2


def test_cross_parties_at_some_parties_only_is_named_at_all(guest: Party, host: Party, other_host: Party) -> None:
    inputs = tables(guest, host, other_host)
    for without in (guest, host):
        outcomes = Federation(list(inputs)).outcomes(
            HETERO_PEARSON, CHEAP, inputs, party_params={without: {"cross_parties": False}}
        )
        assert isinstance(next(iter(outcomes.values())), PartyResult | ConfigError)
        failed = {party: outcome for party, outcome in outcomes.items() if isinstance(outcome, Exception)}
        assert failed.keys() >= set(inputs) - {without}
        for outcome in failed.values():
            assert "other values of cross_parties for HeteroPearson. Give all parties the same." in str(outcome)


def test_a_key_that_is_shorter_than_a_host_asks_for_is_named_at_all(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    outcomes = Federation(list(inputs)).outcomes(
        HETERO_PEARSON, CHEAP, inputs, party_params={host: {"fixpoint_bit_length": 2048}}
    )
    for outcome in outcomes.values():
        assert isinstance(outcome, ConfigError | AttemptFailed)
        assert "have other values of fixpoint_bit_length for HeteroPearson" in str(outcome)


def test_a_host_may_run_alone(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    results = run(inputs, {"cross_parties": False}, party_params={guest: {"need_run": False}})
    assert results[guest].data is inputs[guest]
    assert param(results[host]).shape == 4


def test_a_model_is_handed_on(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    trained = run(inputs)
    again = Federation(list(inputs)).run(
        HETERO_PEARSON,
        CHEAP,
        {party: Inputs({"test_data": [table]}, model=trained[party].model) for party, table in inputs.items()},
    )
    for party, result in again.items():
        assert result.model is trained[party].model
        assert result.data is inputs[party]


def sent(messages: list[Message], sender: Party, tag: str) -> Any:
    return next(content(each) for each in messages if (each.sender, each.tag) == (sender, tag))


def test_what_leaves_is_encrypted_but_for_the_correlations(guest: Party, host: Party, messages: list[Message]) -> None:
    inputs = tables(guest, host)
    results = run(inputs, record=messages.append)
    assert sorted((str(each.sender), each.tag) for each in messages) == [
        ("guest-9999", "columns"),
        ("guest-9999", "correlation"),
        ("guest-9999", "key"),
        ("guest-9999", "names"),
        ("guest-9999", "plan"),
        ("host-10000", "constant"),
        ("host-10000", "names"),
        ("host-10000", "sums"),
    ]
    assert sent(messages, guest, "plan").keys() == {"rows", "digest", "columns"}
    assert sent(messages, guest, "names") == ["guest_9999_0", "guest_9999_1", "guest_9999_2"]
    assert sent(messages, host, "names") == [f"host_10000_{place}" for place in range(4)]
    assert sent(messages, host, "constant").tolist() == [False] * 4
    np.testing.assert_array_equal(sent(messages, guest, "correlation").ravel(), param(results[guest]).corr)
    key = PublicKey.from_wire(sent(messages, guest, "key"))
    plan = Plan.from_wire(sent(messages, guest, "plan"))
    columns = PackedArray.from_wire(sent(messages, guest, "columns"), key, plan.slot_bits, plan.value_bits)
    assert columns.shape == (ROWS, 3)
    sums = PackedArray.from_wire(sent(messages, host, "sums"), key, plan.slot_bits, plan.sum_bits)
    assert sums.shape == (4, 3)


def test_sums_come_back_under_randomness_of_their_own(guest: Party, host: Party) -> None:
    private = generate_keypair(1024)
    standard = standardise(tables(guest)[guest].features)
    plan = Plan(ROWS, b"", 3)
    columns = encrypted_columns(private, standard, plan)
    alone = np.zeros((ROWS, 1))
    alone[0, 0] = 2.0**-FRACTION_BITS
    twice = [product_sums(columns, private.public, alone, plan)["ciphertexts"] for _ in range(2)]
    first = EncryptedArray.from_wire(columns["ciphertexts"], private.public, masked=True)
    seen = set(first._values.ravel())
    for sums in twice:
        (value,) = EncryptedArray.from_wire(sums, private.public, masked=True)._values.ravel()
        assert value not in seen
        seen.add(value)


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(
        st.tuples(st.floats(-1e300, 1e300), st.floats(-1e-300, 1e-300), st.sampled_from([0.0, 1.0])),
        min_size=1,
        max_size=30,
    )
)
def test_standardised_columns_have_mean_0_and_variance_1_or_are_constant(values: list[tuple[float, ...]]) -> None:
    standard = standardise(np.array(values))
    constant = constant_columns(standard)
    assert np.isfinite(standard).all()
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(standard[:, ~constant].var(axis=0), 1, atol=1e-6)
    assert all(constant[place] for place, column in enumerate(np.array(values).T) if len(np.unique(column)) == 1)


def test_the_most_extreme_column_has_room_in_its_slot() -> None:
    private = generate_keypair(1024)
    for rows in (4, 7, 64, 100):
        values = np.zeros((rows, 1))
        values[0] = 1
        standard, plan = standardise(values), Plan(rows, b"", 1)
        for other in (standard, -standard):
            answer = product_sums(encrypted_columns(private, standard, plan), private.public, other, plan)
            sums = decrypted_sums(answer, private, plan, 1)
            assert abs(sums[0, 0]) / rows == pytest.approx(1, abs=1e-6)


def test_other_rows_are_refused_by_everybody(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    inputs[host] = inputs[host].take(np.arange(ROWS)[::-1])
    outcomes = Federation(list(inputs)).outcomes(HETERO_PEARSON, CHEAP, inputs)
    assert isinstance(outcomes[host], DataError)
    assert isinstance(outcomes[guest], AttemptFailed)
    for outcome in outcomes.values():
        assert "Give all parties the output of the same Intersection" in str(outcome)


def test_too_many_columns_are_refused(guest: Party, host: Party) -> None:
    rng = np.random.default_rng(9)
    few = {f"x{place}": rng.normal(size=6) for place in range(2)}
    many = {f"x{place}": rng.normal(size=6) for place in range(4)}
    for of_guest, of_host in ((many, few), (few, many)):
        with pytest.raises(DataError, match="would show another party's values"):
            run({guest: make_table(range(6), of_guest), host: make_table(range(6), of_host)})
    assert run({guest: make_table(range(6), many)})[guest].model is not None


@pytest.mark.parametrize("rows", [6, 7, 30])
def test_as_many_columns_as_are_allowed_leave_a_column_open_and_one_more_does_not(guest: Party, rows: int) -> None:
    rng = np.random.default_rng(rows)
    secret = standardise(rng.normal(size=(rows, 1)))[:, 0]

    def unreached(known: Any) -> Any:
        """Directions in which a column may be moved without another mean or correlation with the known ones."""
        basis, _ = np.linalg.qr(np.column_stack([np.ones(rows), known]), mode="complete")
        return basis[:, known.shape[1] + 1 :]

    most = rows - 3
    check_columns(guest, most, rows)
    known, more = (standardise(rng.normal(size=(rows, columns))) for columns in (most, most + 1))
    # Any turn in a plane gives a column of the same variance: a circle of them, here a quarter of it away.
    free = unreached(known)
    assert free.shape == (rows, 2)
    part = free.T @ secret
    other = secret + free @ (np.array([-part[1], part[0]]) - part)
    np.testing.assert_allclose(standardise(other[:, None])[:, 0], other, atol=1e-9)
    np.testing.assert_allclose(known.T @ other, known.T @ secret, atol=1e-9)
    assert np.linalg.norm(other - secret) == pytest.approx(np.sqrt(2) * np.linalg.norm(part))
    assert np.linalg.norm(part) > 1e-3
    # Along a line only its mirror image is left: a known column more names the secret one, but for a choice of two.
    assert unreached(more).shape == (rows, 1)
    with pytest.raises(DataError, match="would show another party's values"):
        check_columns(guest, most + 1, rows)


def test_tables_that_have_no_correlation_are_refused(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    gaps = make_table(range(ROWS), {"a": [float("nan"), *range(ROWS - 1)], "b": list(range(ROWS))})
    with pytest.raises(DataError, match=r"Values are missing in a\. Put a FeatureImputation before HeteroPearson"):
        run({**inputs, host: gaps})
    with pytest.raises(DataError, match="no rows to correlate"):
        run({guest: make_table([], {"a": np.empty(0)})})
    with pytest.raises(DataError, match="column_names names z"):
        run(inputs, {"column_names": ["z"]})
    with pytest.raises(DslError, match="keys have one of the lengths"):
        run(inputs, {"fixpoint_bit_length": 1204})
    with pytest.raises(DataError, match="HeteroPearson has no input data at guest-9999"):
        Federation([guest]).run(HETERO_PEARSON)
    with pytest.raises(ModelError, match="A model of DataStatistics has no correlations"):
        correlations_of(Model("DataStatistics", statistics_pb2.StatisticMeta(), statistics_pb2.StatisticParam()))


def test_what_is_no_answer_is_rejected(guest: Party, host: Party) -> None:
    private, other = generate_keypair(1024), generate_keypair(1024)
    standard = standardise(tables(guest)[guest].features)
    plan = Plan(ROWS, b"", 3)
    columns = encrypted_columns(private, standard, plan)
    answer = product_sums(columns, private.public, standard[:, :2], plan)
    with pytest.raises(MessageRejected, match=r"Sums of shape \(2, 3\) came where \(3, 3\) was agreed"):
        decrypted_sums(answer, private, plan, 3)
    with pytest.raises(CryptoError):
        decrypted_sums(answer, other, plan, 2)
    with pytest.raises(CryptoError):
        product_sums(columns, other.public, standard, plan)
    with pytest.raises(MessageRejected, match=r"Columns of shape \(120, 3\) came where \(121, 3\)"):
        product_sums(columns, private.public, standard, Plan(ROWS + 1, b"", 3))
    large = PackedArray.encrypt(private, np.full((2, 3), 2.0 * ROWS), plan.slot_bits, -2 * FRACTION_BITS).to_wire()
    with pytest.raises(MessageRejected, match="A correlation is above 1"):
        decrypted_sums(large, private, plan, 2)
    for value in (
        None,
        {"rows": 3},
        {"rows": 0, "digest": b"", "columns": 1},
        {"rows": 3, "digest": b"", "columns": -1},
    ):
        with pytest.raises(MessageRejected):
            Plan.from_wire(value)
    for matrix in (None, np.zeros((2, 3)), np.full((3, 2), 1.5), np.zeros((3, 2), np.float32)):
        with pytest.raises(MessageRejected):
            correlation_from_wire(matrix, (3, 2))
    for constant in (None, np.zeros(2), np.zeros((1, 2), np.bool_)):
        with pytest.raises(MessageRejected):
            constant_from_wire(constant, host)


@pytest.mark.parametrize(
    ("said", "value", "match"),
    [
        ("names", ["age"], "something else than the anonymous names"),
        ("names", ["guest_9999_0"], "something else than the anonymous names"),
        ("names", None, "something else than the anonymous names"),
        ("constant", np.array([False]), "told of 1 columns, and named 2"),
        ("sums", None, "ciphertexts"),
    ],
)
def test_a_guest_believes_no_other_host(said: str, value: Any, match: str, guest: Party, host: Party) -> None:
    names: dict[str, Any] = {"names": ["host_10000_0", "host_10000_4"], "constant": np.zeros(2, np.bool_), "sums": {}}
    given = Inputs({"data": [tables(guest)[guest]]})
    with pytest.raises((MessageRejected, CryptoError), match=match):
        run_against(HETERO_PEARSON, CHEAP, guest, given, host, {**names, said: value})


@pytest.mark.parametrize(
    ("said", "value", "match"),
    [
        ("plan", {"rows": 1}, "not the Plan that was agreed"),
        ("columns", 3, "ciphertexts"),
        ("names", ["guest_9999_0"], "named 1 columns where 2 were agreed"),
        ("correlation", np.zeros((1, 4)), "does not hold 2 by 4 correlations"),
    ],
)
def test_a_host_believes_no_other_guest(said: str, value: Any, match: str, guest: Party, host: Party) -> None:
    table = tables(guest, host)[host]
    private, plan = generate_keypair(1024), Plan(ROWS, row_digest(table), 2)
    honest: dict[str, Any] = {
        "plan": plan.to_wire(),
        "key": private.public.to_wire(),
        "columns": encrypted_columns(private, standardise(table.features[:, :2]), plan),
        "names": ["guest_9999_0", "guest_9999_1"],
        "correlation": np.zeros((2, 4)),
    }
    given = Inputs({"data": [table]})
    assert run_against(HETERO_PEARSON, CHEAP, host, given, guest, honest).model is not None
    with pytest.raises((MessageRejected, CryptoError), match=match):
        run_against(HETERO_PEARSON, CHEAP, host, given, guest, {**honest, said: value})
