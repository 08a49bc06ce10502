from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PublicKey, generate_keypair
from fate_components.feature_binning.exchange import Plan, host_columns, merged_by_guest, sum_events
from fate_components.feature_binning.fit import Binned
from fate_components.feature_binning.optimal import Rule, merge
from fate_components.feature_binning.spec import HETERO_FEATURE_BINNING
from fate_federated.errors import AttemptFailed, ConfigError, DataError, DslError, MessageRejected, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import feature_binning_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import decode

ROWS = 240
PRIVATE = {"encrypt_param": {"key_length": 1024}}


def columns(rows: int, seed: int) -> dict[str, Any]:
    """A normal column with gaps, whole numbers, and one that is the same in every row."""
    rng = np.random.default_rng(seed)
    gaps = rng.normal(size=rows)
    gaps[: rows // 8] = np.nan
    return {"gaps": gaps, "whole": rng.integers(0, 40, rows).astype(float), "same": np.full(rows, 3.0)}


def tables(guest: Party, *hosts: Party, classes: int = 2, rows: int = ROWS) -> dict[Party, Table]:
    label = np.random.default_rng(9).integers(0, classes, rows)
    found = {guest: make_table(range(rows), columns(rows, 0), label)}
    return found | {host: make_table(range(rows), columns(rows, 1 + place)) for place, host in enumerate(hosts)}


def fit(inputs: dict[Party, Table], params: dict[str, Any] | None = None, **options: Any) -> dict[Party, PartyResult]:
    federation = Federation(list(inputs), record=options.pop("record", None))
    return federation.run(HETERO_FEATURE_BINNING, PRIVATE | (params or {}), inputs, **options)


def param(result: PartyResult) -> pb.FeatureBinningParam:
    assert result.model is not None
    assert isinstance(result.model.param, pb.FeatureBinningParam)
    return result.model.param


def own(result: PartyResult, name: str) -> pb.IVParam:
    return param(result).binning_result.binning_result[name]


def numbers_of(values: Any, points: Any) -> Any:
    """The bin of each value, one by one."""
    last = len(points) - 1
    return np.array(
        [
            len(points) if np.isnan(value) else next((at for at in range(last) if value <= points[at]), last)
            for value in values
        ]
    )


def evidence(bins: Any, event: Any, adjustment: float = 0.5) -> list[tuple[int, int, float, float]]:
    """Rows, events, weight of evidence and information value of each bin that is not empty."""
    found = []
    for number in sorted(set(bins.tolist())):
        inside = bins == number
        e, m = int((event & inside).sum()), int((~event & inside).sum())
        added = adjustment if 0 in (e, m) else 0.0
        share_e, share_m = (e + added) / event.sum(), (m + added) / (~event).sum()
        found.append(
            (e + m, e, float(np.log(share_e / share_m)), float((share_e - share_m) * np.log(share_e / share_m)))
        )
    return found


def counted(described: pb.IVParam) -> list[tuple[int, int, float, float]]:
    together = zip(
        described.event_count_array, described.non_event_count_array, described.woe_array, described.iv_array,
        strict=True,
    )  # fmt: skip
    return [(e + m, e, woe, iv) for e, m, woe, iv in together]


def assert_same(got: list[tuple[int, int, float, float]], expected: list[tuple[int, int, float, float]]) -> None:
    assert [each[:2] for each in got] == [each[:2] for each in expected]
    np.testing.assert_allclose(np.array(got), np.array(expected), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["quantile", "bucket"])
def test_bins_and_what_they_tell_are_those_of_the_joined_rows(
    method: str, guest: Party, host: Party, other_host: Party
) -> None:
    inputs = tables(guest, host, other_host)
    results = fit(inputs, {"method": method, "bin_num": 4})
    event = inputs[guest].label == 1
    for party, table in inputs.items():
        for name in table.feature_names:
            values = table.numbers([name])[:, 0]
            there = values[~np.isnan(values)]
            if method == "quantile":
                points = np.unique(np.quantile(there, [0.25, 0.5, 0.75, 1], method="inverted_cdf"))
            else:
                points = np.unique(np.linspace(there.min(), there.max(), 5)[1:])
            np.testing.assert_allclose(own(results[party], name).split_points, points, rtol=1e-12)
            bins = numbers_of(values, own(results[party], name).split_points)
            np.testing.assert_array_equal(results[party].data.numbers([name])[:, 0], bins)
            expected = evidence(bins, event)
            iv = sum(each[3] for each in expected)
            if party == guest:
                assert_same(counted(own(results[guest], name)), expected)
                assert results[guest].summary["iv"][name] == pytest.approx(iv, rel=1e-6, abs=1e-12)
            else:
                assert not own(results[party], name).woe_array
                position = table.feature_names.index(name)
                of_host = next(of for of in param(results[guest]).host_results if of.party_id == party.party_id)
                described = of_host.binning_result[f"host_{party.party_id}_{position}"]
                assert_same(sorted(counted(described)), sorted(expected))
                assert described.iv == pytest.approx(iv, rel=1e-6, abs=1e-12)
                assert not described.split_points
    assert set(results[guest].summary["host_results"]) == {"host_10000", "host_10001"}


def test_several_classes_are_told_one_against_the_rest(guest: Party, host: Party) -> None:
    inputs = tables(guest, host, classes=3)
    results = fit(inputs, {"bin_num": 3})
    several = param(results[guest]).multi_class_result
    assert list(several.labels) == ["0", "1", "2"]
    assert several.has_host_result
    for place in range(3):
        event = inputs[guest].label == place
        of_guest = several.results[place].binning_result["whole"]
        bins = numbers_of(inputs[guest].numbers(["whole"])[:, 0], of_guest.split_points)
        assert_same(counted(of_guest), evidence(bins, event))
        of_host = several.host_results[place].binning_result["host_10000_0"]
        bins = numbers_of(inputs[host].numbers(["gaps"])[:, 0], own(results[host], "gaps").split_points)
        assert_same(sorted(counted(of_host)), sorted(evidence(bins, event)))
    assert set(results[guest].summary["labels"]) == {"0", "1", "2"}
    with pytest.raises(DataError, match="transform_type woe needs the weights of two classes"):
        fit(inputs, {"transform_param": {"transform_type": "woe"}})
    with pytest.raises(DataError, match="method optimal needs labels of two classes"):
        fit(inputs, {"method": "optimal"})


@pytest.mark.parametrize("metric", ["iv", "gini", "chi_square", "ks"])
def test_optimal_bins_of_a_host_are_merged_as_if_it_had_the_labels(metric: str, guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    # The guest has the host's columns too, with the labels in clear.
    both = {guest: make_table(range(ROWS), columns(ROWS, 1), inputs[guest].label), host: inputs[host]}
    params = {
        "method": "optimal", "bin_num": 4,
        "optimal_binning_param": {"metric_method": metric, "init_bin_nums": 30, "min_bin_pct": 0.1},
    }  # fmt: skip
    results = fit(both, params)
    for place, name in enumerate(("gaps", "whole", "same")):
        mine, theirs = own(results[guest], name), own(results[host], name)
        assert list(mine.split_points) == list(theirs.split_points)
        assert 1 <= len(mine.split_points) <= 4
        counts = np.array([each[0] for each in counted(mine)][: len(mine.split_points)])
        assert (counts >= 0.1 * counts.sum()).all()
        described = param(results[guest]).host_results[0].binning_result[f"host_10000_{place}"]
        # In order, as the guest merged them, so that whether the weights turn is known.
        assert_same(counted(described), counted(mine))
        assert described.is_woe_monotonic == mine.is_woe_monotonic
    np.testing.assert_array_equal(results[guest].data.features, results[host].data.features)


@given(counts=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=2, max_size=12))
def test_the_neighbours_are_joined_that_lose_least(counts: list[tuple[int, int]]) -> None:
    events, others = np.array(counts).T
    e_all, m_all = events.sum(), others.sum()

    def iv(e: float, m: float) -> float:
        return float((e / e_all - m / m_all) * np.log((e / e_all) / (m / m_all)))

    def gini(e: float, m: float) -> float:
        return float(-(e + m) * (1 - (e / (e + m)) ** 2 - (m / (e + m)) ** 2))

    for metric, measure in (("iv", iv), ("gini", gini)):
        lost = [
            measure(*a) + measure(*b) - measure(a[0] + b[0], a[1] + b[1])
            for a, b in pairwise(zip(events, others, strict=True))
        ]
        ends = merge(events, others, Rule(metric, len(counts) - 1, 0.0, 1.0, mixture=False))
        (joined,) = set(range(len(counts))) - set(ends.tolist())
        assert lost[joined] == pytest.approx(min(lost), abs=1e-9)


def test_bounds_of_merged_bins_hold() -> None:
    events, others = np.array([0, 5, 9, 0, 30, 1]), np.array([9, 5, 1, 40, 0, 0])
    for metric in ("iv", "gini", "chi_square", "ks"):
        ends = merge(events, others, Rule(metric, 6, 0.1, 1.0, mixture=True))
        starts = np.append(0, ends[:-1] + 1)
        rows = np.add.reduceat(events + others, starts)
        assert (rows >= 10).all()
        assert np.add.reduceat(events, starts).all()
        assert np.add.reduceat(others, starts).all()
    # The cut at which the classes' distributions are furthest apart, by hand: after the second bin, 9/10 - 1/10.
    np.testing.assert_array_equal(
        merge(np.array([1, 0, 4, 5]), np.array([5, 4, 1, 0]), Rule("ks", 2, 0.0, 1.0, mixture=False)), [1, 3]
    )
    # Chi-square of neighbours, by hand: the first two have the same share of events, the last two do not.
    np.testing.assert_array_equal(
        merge(np.array([2, 4, 9]), np.array([4, 8, 1]), Rule("chi_square", 2, 0.0, 1.0, mixture=False)), [1, 2]
    )
    # No bin above the largest share while there is another way.
    np.testing.assert_array_equal(
        merge(np.array([10, 10, 1, 9]), np.array([10, 10, 9, 1]), Rule("iv", 3, 0.0, 0.4, mixture=False)), [0, 1, 3]
    )


def test_categories_and_given_points_stay_as_they_are(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    params = {
        "method": "optimal", "bin_indexes": [0], "category_names": ["whole"],
        "split_points_by_col_name": {"same": [5.0, 1.0, 3.0]},
    }  # fmt: skip
    results = fit(
        inputs, params, party_params={host: {"split_points_by_col_name": None, "split_points_by_index": {"2": [1]}}}
    )
    assert list(own(results[guest], "whole").split_points) == sorted(set(inputs[guest].numbers(["whole"])[:, 0]))
    assert list(own(results[guest], "same").split_points) == [1, 3, 5]
    assert counted(own(results[guest], "same"))[1][0] == ROWS
    assert list(own(results[host], "same").split_points) == [1]
    assert len(own(results[host], "gaps").split_points) <= 10


def test_only_chosen_columns_are_binned_and_only_chosen_ones_replaced(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    params = {
        "bin_indexes": [0],
        "bin_names": ["whole"],
        "transform_param": {"transform_cols": [1], "transform_names": []},
    }
    results = fit(inputs, params)
    for party, table in inputs.items():
        assert set(param(results[party]).binning_result.binning_result) == {"gaps", "whole"}
        np.testing.assert_array_equal(results[party].data.numbers(["gaps", "same"]), table.numbers(["gaps", "same"]))
        assert results[party].data.numbers(["whole"]).max() == 9
    unchanged = fit(inputs, {"transform_param": {"transform_type": None}})
    np.testing.assert_array_equal(unchanged[guest].data.features, inputs[guest].features)
    with pytest.raises(DataError, match="transform_param names columns that are not binned: same"):
        fit(inputs, {"bin_indexes": [0], "transform_param": {"transform_cols": [2]}})


def test_weights_replace_the_guests_values(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    results = fit(inputs, {"transform_param": {"transform_type": "woe"}, "adjustment_factor": 0.25})
    event = inputs[guest].label == 1
    for name in ("gaps", "whole", "same"):
        bins = numbers_of(inputs[guest].numbers([name])[:, 0], own(results[guest], name).split_points)
        woe = {number: each[2] for number, each in zip(sorted(set(bins)), evidence(bins, event, 0.25), strict=True)}
        np.testing.assert_allclose(
            results[guest].data.numbers([name])[:, 0], [woe[number] for number in bins], rtol=1e-6, atol=1e-12
        )
    np.testing.assert_array_equal(results[host].data.features, inputs[host].features)


def test_a_model_puts_new_rows_into_the_trained_bins(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    trained = fit(inputs, {"bin_num": 4})
    new = {"whole": [-100.0, 1000.0, float("nan")], "same": [3.0, 2.0, 4.0], "gaps": [0.0, 9.0, float("nan")]}
    again = fit(
        {party: Inputs({"data": [make_table("abc", new)]}, model=trained[party].model) for party in inputs},  # type: ignore[dict-item]
    )
    for party in inputs:
        points = own(trained[party], "gaps").split_points
        np.testing.assert_array_equal(again[party].data.numbers(["whole"])[:, 0], [0, 3, 4])
        np.testing.assert_array_equal(again[party].data.numbers(["same"])[:, 0], [0, 0, 0])
        np.testing.assert_array_equal(again[party].data.numbers(["gaps"])[:, 0], numbers_of(new["gaps"], points))
        assert again[party].model is trained[party].model
        assert again[party].traffic.sent == 0
    with pytest.raises(ModelError, match="The model bins columns that the table lacks: gaps"):
        fit({guest: Inputs({"data": [make_table("a", {"whole": [1], "same": [1]})]}, model=trained[guest].model)})  # type: ignore[dict-item]
    woe = fit(inputs, {"transform_param": {"transform_type": "woe"}})[guest]
    # The training has no missing value in this column: one weighs nothing.
    rows = make_table("a", {"whole": [np.nan], "same": [3], "gaps": [0]})
    weighed = fit({guest: Inputs({"data": [rows]}, model=woe.model)})  # type: ignore[dict-item]
    assert weighed[guest].data.numbers(["whole"])[0, 0] == 0.0
    other = Model("Other", pb.FeatureBinningParam(), pb.FeatureBinningParam())
    with pytest.raises(ModelError, match="HeteroFeatureBinning cannot apply a model of Other"):
        fit({guest: Inputs({"data": [rows]}, model=other)})  # type: ignore[dict-item]


# What the parties tell each other


def sent(messages: list[Message], tag: str) -> Any:
    return next(decode(message.structure, message.body) for message in messages if message.tag == tag)


def test_labels_leave_encrypted_and_only_counts_come_back(guest: Party, host: Party, messages: list[Message]) -> None:
    inputs = tables(guest, host)
    results = fit(inputs, {"bin_num": 5}, record=messages.append)
    assert [(message.sender, message.tag) for message in messages] == [
        (guest, "plan"), (guest, "key"), (guest, "labels"), (host, "events"),
    ]  # fmt: skip
    plan = sent(messages, "plan")
    assert set(plan) == {"counts_events", "rows", "digest", "width"}
    assert (plan["rows"], plan["width"]) == (ROWS, 1)
    labels = sent(messages, "labels")
    assert set(labels) == {"ciphertexts", "width", "slot_bits", "exponent"}
    width = labels["ciphertexts"].width_bytes
    data = labels["ciphertexts"].data
    assert len({data[at : at + width] for at in range(0, len(data), width)}) == ROWS
    reply = sent(messages, "events")
    assert set(reply) == {"positions", "bins", "rows", "mergeable", "has_missing", "rule", "events"}
    assert reply["rule"] is None
    assert not reply["has_missing"].any()
    assert not reply["mergeable"].any()
    start = 0
    for position, bins in zip(reply["positions"], reply["bins"], strict=True):
        name = inputs[host].feature_names[position]
        points = own(results[host], name).split_points
        numbers = numbers_of(inputs[host].numbers([name])[:, 0], points)
        assert sorted(reply["rows"][start : start + bins]) == sorted(np.unique(numbers, return_counts=True)[1])
        start += bins
    host_message = next(message for message in messages if message.sender == host)
    content = host_message.structure + host_message.body
    assert not any(name.encode() in content for name in inputs[host].feature_names)
    assert not any(
        np.float64(point).tobytes() in content
        for name in ("gaps", "whole")
        for point in own(results[host], name).split_points
    )


def test_the_order_of_a_hosts_bins_is_drawn_anew(guest: Party, host: Party) -> None:
    rows = 210
    label = np.arange(rows) % 2
    values = np.repeat(np.arange(20.0), np.arange(1, 21))
    inputs = {guest: make_table(range(rows), {"a": values}, label), host: make_table(range(rows), {"a": values})}
    seen = set()
    for _ in range(2):
        result = fit(inputs, {"category_indexes": [0]})[guest]
        described = param(result).host_results[0].binning_result["host_10000_0"]
        assert sorted(each[0] for each in counted(described)) == list(range(1, 21))
        assert not described.is_woe_monotonic
        seen.add(tuple(each[0] for each in counted(described)))
    assert len(seen) == 2  # of 20! orders


def test_counts_come_back_under_randomness_of_their_own(guest: Party, host: Party, messages: list[Message]) -> None:
    rows = 12
    inputs = {
        guest: make_table(range(rows), {"a": range(rows)}, [0, 1] * 6),
        host: make_table(range(rows), {"b": [1.0] * rows}),
    }
    fit(inputs, record=messages.append)
    key = PublicKey.from_wire(sent(messages, "key"))
    slot_bits = sent(messages, "labels")["slot_bits"]
    labels = PackedArray.from_wire(sent(messages, "labels"), key, slot_bits, 0)
    product = 1
    for value in labels.ciphertexts._values.ravel():
        product = product * value % key.modulus
    (counts,) = PackedArray.from_wire(sent(messages, "events")["events"], key, slot_bits, 4).ciphertexts._values
    assert counts != product


@pytest.mark.parametrize("switch", ["local_only", "skip_static"])
def test_nothing_is_told_where_nothing_is_asked(
    switch: str, guest: Party, host: Party, messages: list[Message]
) -> None:
    inputs = tables(guest, host)
    results = fit(inputs, {switch: True}, record=messages.append)
    assert [message.tag for message in messages] == ["plan"]
    assert sent(messages, "plan")["digest"] == b""
    assert not param(results[guest]).host_results
    assert bool(own(results[guest], "gaps").woe_array) == (switch == "local_only")
    assert len(own(results[host], "gaps").split_points) == 10
    # A host may ask for it alone.
    alone = fit(inputs, party_params={host: {switch: True}})
    assert not param(alone[guest]).host_results
    without_host = {guest: inputs[guest]}
    assert own(fit(without_host)[guest], "whole").iv == own(results[guest], "whole").iv or switch == "skip_static"


# What cannot be


def test_a_host_that_answers_something_else_is_refused(host: Party) -> None:
    private = generate_keypair(1024)
    plan = Plan(True, 4, b"", 1)
    events = np.array([[0], [1], [1], [0]])
    rule = Rule("iv", 2, 0.0, 1.0, mixture=False)
    columns = [
        Binned("a", np.array([1.0, 2.0]), np.array([0, 1, 1, 2]), True),
        Binned("b", np.array([1.0, 2.0]), np.array([0, 0, 1, 1]), False),
    ]
    key = private.public
    labels = PackedArray.encrypt(private, events, plan.slot_bits, 0).to_wire()
    honest = sum_events(columns, ["a", "b"], rule, labels, key, plan)
    totals = events.sum(axis=0)
    found = host_columns(honest, host, private, plan, totals)
    assert [column.events[:, 0].tolist() for column in found[:1]] == [[0, 2, 0]]
    with pytest.raises(MessageRejected, match="do not add up"):
        host_columns(honest, host, private, plan, totals + 1)
    for changed, text in (
        (None, "something else than encrypted counts"),
        (honest | {"more": 1}, "something else than encrypted counts"),
        (honest | {"rows": np.array([1, 2, 1, 3, 2])}, "do not add up"),
        (honest | {"rows": honest["rows"][1:]}, "do not fit together"),
        (honest | {"bins": np.array([3.0, 2.0])}, "something else than its bins"),
        (honest | {"positions": np.array([0, 0])}, "do not fit together"),
        (honest | {"rule": {"metric": "iv"}}, "no rule"),
        (honest | {"rule": honest["rule"] | {"metric": "any"}}, "no rule"),
    ):
        with pytest.raises(MessageRejected, match=text):
            host_columns(changed, host, private, plan, totals)
    with pytest.raises(MessageRejected, match="came where"):
        sum_events(columns, ["a", "b"], rule, labels, key, replace(plan, rows=5))
    with pytest.raises(MessageRejected, match="merged bins that there are not"):
        merged_by_guest([np.array([0, 5])], columns)
    with pytest.raises(MessageRejected, match="something else than merged bins"):
        merged_by_guest(None, columns)
    with pytest.raises(MessageRejected, match="not the plan"):
        Plan.from_wire({"rows": 1})
    with pytest.raises(MessageRejected, match="impossible"):
        Plan.from_wire(replace(plan, width=0).to_wire())


def test_rows_that_are_not_common_are_refused(guest: Party, host: Party) -> None:
    inputs = tables(guest, host)
    inputs[host] = inputs[host].take(np.arange(ROWS)[::-1].copy())
    outcomes = Federation([guest, host]).outcomes(HETERO_FEATURE_BINNING, PRIVATE, inputs)
    assert isinstance(outcomes[host], DataError)
    assert isinstance(outcomes[guest], AttemptFailed)
    for outcome in outcomes.values():
        assert "in the same order" in str(outcome)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (None, "needs a label at the guest"),
        ([1, 1, 1, 1], "All labels of HeteroFeatureBinning are the same"),
        ([1, 0, float("nan"), 1], "1 rows of HeteroFeatureBinning have no label"),
    ],
)
def test_labels_that_tell_nothing_are_refused(label: Any, text: str, guest: Party, host: Party) -> None:
    inputs = {guest: make_table(range(4), {"a": range(4)}, label), host: make_table(range(4), {"b": range(4)})}
    outcomes = Federation([guest, host]).outcomes(HETERO_FEATURE_BINNING, PRIVATE, inputs)
    assert isinstance(outcomes[guest], DataError)
    assert text in str(outcomes[guest])
    assert isinstance(outcomes[host], Exception)


@pytest.mark.parametrize(
    ("column", "params", "text"),
    [
        ([float("nan")] * 4, {}, "Columns without any value have no bins: a"),
        ([1.0, float("inf"), 2, 3], {}, "Values are infinite in a"),
        ([1.0, 2, 3, 4], {"split_points_by_index": {"7": [1]}}, "split_points_by_index names column 7"),
        ([1.0, 2, 3, 4], {"split_points_by_col_name": {"z": [1]}}, "split_points_by_col_name names z"),
        ([1.0, 2, 3, 4], {"split_points_by_col_name": {"a": []}}, "The split points of a are no numbers"),
        ([1.0, 2, 3, 4], {"bin_indexes": [4]}, "bin_indexes names column 4"),
        ([], {}, "A table without rows has no bins"),
    ],
)
def test_columns_without_bins_are_refused(column: Any, params: dict[str, Any], text: str, guest: Party) -> None:
    label = ([0, 1] * 2)[: len(column)]
    switch = {"skip_static": True}
    with pytest.raises(DataError, match=text):
        fit({guest: make_table(range(len(column)), {"a": np.array(column, float)}, label)}, params | switch)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"method": "optimal", "skip_static": True}, "skip_static leaves out"),
        ({"transform_param": {"transform_type": "woe"}, "skip_static": True}, "skip_static leaves out"),
        ({"method": "optimal", "optimal_binning_param": {"min_bin_pct": 0.6, "max_bin_pct": 0.5}}, "above max_bin_pct"),
        ({"encrypt_param": {"method": "IPCL"}}, "IPCL is not available"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(params: dict[str, Any], text: str, guest: Party) -> None:
    with pytest.raises(DslError, match=text):
        fit(tables(guest), params)


def test_a_host_without_labels_cannot_merge(guest: Party, host: Party) -> None:
    with pytest.raises(DataError, match="method optimal goes by the guest's labels"):
        fit(tables(guest, host), {"local_only": True}, party_params={host: {"method": "optimal"}})


def test_a_key_that_is_shorter_than_a_host_asks_for_is_named_at_all(guest: Party, host: Party) -> None:
    outcomes = Federation([guest, host]).outcomes(
        HETERO_FEATURE_BINNING, {"encrypt_param": {"key_length": 1024}}, tables(guest, host),
        party_params={host: {"encrypt_param": {"key_length": 2048}}},
    )  # fmt: skip
    for outcome in outcomes.values():
        assert isinstance(outcome, ConfigError | AttemptFailed)
        assert "have other values of encrypt_param.key_length for HeteroFeatureBinning" in str(outcome)


def test_text_labels_are_classes(guest: Party, host: Party) -> None:
    numbered = tables(guest, host)
    texts = np.where(numbered[guest].label == 1, "yes", "no")
    named = numbered | {guest: make_table(range(ROWS), columns(ROWS, 0), texts)}
    assert fit(named)[guest].summary["iv"] == fit(numbered)[guest].summary["iv"]


def test_ranges_that_cannot_be_cut_are_refused(guest: Party) -> None:
    table = make_table(range(4), {"far": [-1e308, 0.0, 1.0, 1e308]}, [0, 1, 0, 1])
    with pytest.raises(DataError, match="The values of far are too large to cut"):
        fit({guest: table}, {"method": "bucket"}, participants=[guest])


@pytest.mark.parametrize(
    ("params", "classes", "text"),
    [
        ({"method": "optimal"}, 3, "method optimal needs labels of two classes"),
        ({"transform_param": {"transform_cols": [], "transform_names": ["absent"]}}, 2, "transform_names names absent"),
        ({"transform_param": {"transform_cols": -1, "transform_names": ["absent"]}}, 2, "transform_names names absent"),
        ({"bin_indexes": -1, "bin_names": ["absent"]}, 2, "bin_names names absent"),
    ],
)
def test_a_guest_s_mistake_is_found_before_labels_are_encrypted(
    params: dict[str, Any], classes: int, text: str, guest: Party, host: Party
) -> None:
    messages: list[Message] = []
    with pytest.raises(DataError, match=text):
        fit(tables(guest, host, classes=classes), {}, party_params={guest: params}, record=messages.append)
    assert "labels" not in {message.tag for message in messages}
