from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.crypto.bloom_filter import BloomFilter
from fate_federated.errors import MessageRejected


@given(st.sets(st.binary(), max_size=30), st.floats(0.001, 0.5))
def test_members_are_found_also_after_a_journey(members: set[bytes], rate: float) -> None:
    made = BloomFilter.of(sorted(members), rate, "sha256", b"salt")
    assert BloomFilter.from_wire(made.to_wire(), "sha256").contains(sorted(members)).all()


@pytest.mark.parametrize("rate", [0.2, 0.01])
def test_others_are_found_as_often_as_was_asked(rate: float) -> None:
    members = [f"in-{number}".encode() for number in range(2000)]
    found = BloomFilter.of(members, rate, "sha1", b"").contains([f"out-{number}".encode() for number in range(20_000)])
    assert 0.7 * rate < found.mean() < 1.3 * rate


@pytest.mark.parametrize(
    "change", [{"hashes": 0}, {"hashes": 10**6}, {"bits": np.zeros(0, np.uint8)}, {"bits": [1]}, {"salt": 1}, {"x": 1}]
)
def test_what_is_no_filter_is_refused(change: dict[str, Any]) -> None:
    wire = BloomFilter.of([b"a"], 0.1, "sha256", b"").to_wire()
    with pytest.raises(MessageRejected):
        BloomFilter.from_wire({**wire, **change}, "sha256")
