"""The state machine of an attempt, whatever comes in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST

from fate_federated.gateway import attempt_rules as rules
from fate_federated.status import AttemptState, Presence
from fate_federated.wire.records import Attempt, TaskRef

TASK = TaskRef("20260101", "hetero_lr_0")
OUTCOMES = (Presence.SUCCEEDED, Presence.FAILED, Presence.CANCELED, Presence.LOST)

parties = st.sampled_from(ALL)
instances = st.sampled_from(["try-1", "try-2"])
steps = st.one_of(
    st.tuples(st.just("joined"), parties, instances),
    st.tuples(st.just("parked"), parties, instances),
    st.tuples(st.just("reported"), parties, instances, st.sampled_from(OUTCOMES), st.just("why")),
    st.tuples(st.just("silenced"), st.lists(parties, max_size=2), st.just("no answer")),
    st.tuples(st.just("canceled"), st.just("stopped")),
    st.tuples(st.just("rerun")),
)


def apply(attempt: Attempt, step: tuple, now: float) -> Attempt:
    name, *arguments = step
    rule = getattr(rules, name)
    return rule(attempt, *arguments) if name == "rerun" else rule(attempt, *arguments, now)


@given(participants=st.sets(parties, min_size=1), history=st.lists(steps, max_size=25))
def test_whatever_happens_an_attempt_stays_sound(participants, history) -> None:
    attempt = rules.opened(TASK, 1, ALL, tuple(participants), 1.0)
    for now, step in enumerate(history, 2):
        before = attempt
        attempt = apply(before, step, float(now))
        if attempt is before:
            continue
        assert attempt.revision == before.revision + 1 or step[0] == "silenced"
        assert attempt.revision > before.revision
        seats = [seat for seat in attempt.parties if seat.participates]
        presences = [seat.presence for seat in seats]
        assert {seat.party for seat in seats} == participants
        if before.decided:
            assert (attempt.state, attempt.detail, attempt.decided_at) == (
                before.state,
                before.detail,
                before.decided_at,
            )
        elif attempt.state is AttemptState.SUCCESS:
            assert set(presences) == {Presence.SUCCEEDED}
            assert before.state is AttemptState.RUNNING
        elif attempt.state is AttemptState.FAILED:
            assert any(str(party) in attempt.detail for party in participants)
        elif attempt.state is AttemptState.RUNNING:
            assert set(presences) <= {Presence.JOINED, Presence.SUCCEEDED}
            assert attempt.started_at > 0
        elif attempt.state is AttemptState.ASSEMBLING:
            assert set(presences) == {Presence.JOINED, Presence.PARKED} or set(presences) == {Presence.PARKED}
        elif attempt.state is AttemptState.WAITING:
            assert Presence.ABSENT in presences
        assert bool(attempt.decided_at) == attempt.decided


@given(history=st.lists(steps, max_size=12))
def test_a_follower_never_changes_the_outcome(history) -> None:
    of_followers = [step for step in history if len(step) > 1 and step[1] == ARBITER]
    attempt = rules.opened(TASK, 1, ALL, (GUEST, HOST), 1.0)
    for now, step in enumerate(of_followers, 2):
        attempt = apply(attempt, step, float(now))
    assert attempt.state is AttemptState.WAITING


@given(party=parties, outcome=st.sampled_from(OUTCOMES))
def test_saying_something_twice_changes_nothing(party, outcome) -> None:
    attempt = rules.opened(TASK, 1, ALL, ALL, 1.0)
    for now, other in enumerate(ALL, 2):
        attempt = rules.joined(attempt, other, f"{other}", float(now))
        assert rules.joined(attempt, other, f"{other}", 9.0) is attempt
    after = rules.reported(attempt, party, f"{party}", outcome, "why", 10.0)
    assert after is not attempt
    for again in OUTCOMES:
        assert rules.reported(after, party, f"{party}", again, "else", 11.0) is after


def test_a_word_from_a_former_try_counts_for_nothing() -> None:
    attempt = rules.opened(TASK, 1, ALL, ALL, 1.0)
    for party in ALL:
        attempt = rules.joined(attempt, party, "try-2", 2.0)
    assert rules.reported(attempt, HOST, "try-1", Presence.FAILED, "late", 3.0) is attempt
    assert rules.parked(attempt, HOST, "try-1", 3.0) is attempt


def test_success_needs_a_running_attempt() -> None:
    attempt = rules.joined(rules.opened(TASK, 1, ALL, ALL, 1.0), HOST, "try-1", 2.0)
    assert rules.reported(attempt, HOST, "try-1", Presence.SUCCEEDED, "", 3.0) is attempt
