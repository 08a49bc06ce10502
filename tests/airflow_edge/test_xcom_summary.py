"""What of a component's summary becomes an XCom."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fate_federated.operators import MAX_XCOM_BYTES, _bounded

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(summary=st.dictionaries(st.text(max_size=5), VALUES, max_size=6))
def test_it_is_strict_json_and_a_small_one_keeps_every_field(summary: dict[str, object]) -> None:
    bounded = _bounded(summary)
    json.dumps(bounded, allow_nan=False)
    assert set(bounded) == set(summary)


def test_a_large_one_loses_its_largest_fields_only() -> None:
    summary = {"auc": 0.99, "roc": [[x / 7, x / 3] for x in range(20_000)], "coef": {"x0": 1.5}}
    bounded = _bounded(summary)
    assert (bounded["auc"], bounded["coef"]) == (0.99, {"x0": 1.5})
    assert "fate job metrics" in bounded["roc"]
    assert len(json.dumps(bounded)) < MAX_XCOM_BYTES
