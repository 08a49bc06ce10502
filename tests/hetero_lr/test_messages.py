"""Messages from a peer are what was agreed, or rejected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.linear.messages import Plan, Standing, Verdict, rows_from_wire
from fate_federated.errors import MessageRejected

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
fields = st.sampled_from([
    "fit", "rows", "batch_size", "shuffle", "seed", "models", "weighted", "validate_rows", "converged", "losses",
    "best", "stop", "more",
])  # fmt: skip


@given(scalars | st.lists(scalars) | st.dictionaries(fields, scalars))
def test_anything_is_a_message_or_rejected(value: object) -> None:
    for parse in (Plan.from_wire, Standing.from_wire, lambda value: Verdict.from_wire(value, 1)):
        try:
            parsed = parse(value)
        except MessageRejected:
            continue
        assert parsed.to_wire() == value


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"batch_size": 101}, {"seed": -1}, {"rows": 0}, {"models": 0}, {"validate_rows": -1}]
)
def test_impossible_batches_are_rejected(wrong: dict[str, int]) -> None:
    plan = Plan(True, 100, 20, True, 5, 1, False, 0).to_wire()
    assert Plan.from_wire(plan).batches == 5
    with pytest.raises(MessageRejected, match="impossible"):
        Plan.from_wire(plan | wrong)


@given(st.lists(st.booleans()), st.lists(st.floats(allow_nan=False)))
def test_a_verdict_is_about_every_model(converged: list[bool], losses: list[float]) -> None:
    wire = {"converged": converged, "losses": losses}
    if len(converged) == len(losses):
        assert Verdict.from_wire(wire, len(losses)).to_wire() == wire
    else:
        with pytest.raises(MessageRejected, match="models"):
            Verdict.from_wire(wire, len(losses))


@pytest.mark.parametrize(
    "rows",
    [[0, 1], np.array([0.0]), np.array([[0]]), np.array([0, 0]), np.array([-1]), np.array([5]), np.array([], int)],
)
def test_a_batch_is_of_rows_that_there_are(rows: object) -> None:
    assert rows_from_wire(np.array([4, 0]), 5).tolist() == [4, 0]
    with pytest.raises(MessageRejected, match="not made of"):
        rows_from_wire(rows, 5)
