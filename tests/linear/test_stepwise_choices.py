"""No choice of features leaves a host a single one, which its scores would show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.linear.stepwise import neighbours
from fate_federated.catalog.shared_params import StepwiseParams

from .parties import HOSTS, case


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_the_choice_leaves_a_host_none_or_several(direction: str) -> None:
    search: dict[str, Any] = {"need_stepwise": True, "max_step": 8, "direction": direction, "nvmin": 3}
    params = {"max_iter": 10, "learning_rate": 1, "alpha": 0, "stepwise_param": search}
    assert len(case("HeteroLR", 90, 3, 4).fit(params)[HOSTS[0]].summary["coef"]) != 1


@given(st.data(), st.lists(st.integers(2, 4), min_size=2, max_size=3), st.integers(2, 5))
def test_choices_that_are_tried(data: st.DataObject, counts: list[int], nvmin: int) -> None:
    params = StepwiseParams(nvmin=nvmin, nvmax=6)
    chosen: frozenset[int] = frozenset()
    for _ in range(6):
        tried = list(neighbours(chosen, counts, params))
        assert len(set(tried)) == len(tried)
        for one in tried:
            start = counts[0]
            for count in counts[1:]:
                assert len(one & set(range(start, start + count))) != 1
                start += count
            assert len(one) <= 6 if one > chosen else nvmin <= len(one) and one < chosen
        if not tried:
            break
        chosen = data.draw(st.sampled_from(tried))


def test_a_host_is_taken_away_and_comes_back() -> None:
    params = StepwiseParams()
    assert frozenset({0, 1}) in neighbours(frozenset({0, 1, 2, 3}), [2, 3], params)
    assert frozenset({0, 1, 2, 4}) in neighbours(frozenset({0, 1}), [2, 3], params)


def test_more_features_at_least_than_at_most_are_refused() -> None:
    with pytest.raises(ValueError, match="nvmin 4 is greater than nvmax 3"):
        StepwiseParams(nvmin=4, nvmax=3)
