"""Messages from a peer are what was agreed, or rejected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.hetero_lr.messages import Plan, Verdict
from fate_federated.errors import MessageRejected

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
fields = st.sampled_from(["fit", "rows", "batch_size", "shuffle", "seed", "converged", "loss", "more"])


@given(scalars | st.lists(scalars) | st.dictionaries(fields, scalars))
def test_anything_is_a_message_or_rejected(value: object) -> None:
    for kind in (Plan, Verdict):
        try:
            parsed = kind.from_wire(value)
        except MessageRejected:
            continue
        assert parsed.to_wire() == value


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_size": 101}, {"seed": -1}, {"rows": 0}])
def test_impossible_batches_are_rejected(wrong: dict[str, int]) -> None:
    plan = Plan(True, 100, 20, True, 5).to_wire()
    assert Plan.from_wire(plan).batches == 5
    with pytest.raises(MessageRejected, match="impossible"):
        Plan.from_wire(plan | wrong)
