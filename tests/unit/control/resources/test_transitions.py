"""Assignments through time, as pure values."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netpersona.control.resources import transitions
from netpersona.control.store.stored import Assigned, Assignment, PersonaRef

NOW, LATER = "2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"


def follows(name: str, edition: int = 1) -> PersonaRef:
    return PersonaRef(name, 10 * edition, f"{name}{edition}", follows=True, edition=edition)


def newest(editions: dict[str, int]) -> transitions.Newest:
    return lambda ref: follows(ref.persona_id, editions[ref.persona_id]) if ref.follows else ref


def before(ref: PersonaRef) -> PersonaRef:
    return transitions.pinned(follows(ref.persona_id, ref.edition - 1))


NOTHING = Assignment(5)
UNCONFIRMED = transitions.assigned(
    NOTHING, follows("a"), assigned_at=NOW, expires_at=LATER, confirm=True, probe="ping:10.0.0.1"
)


def test_what_is_followed_is_worn_anew_and_what_it_replaced_is_before() -> None:
    was = transitions.assigned(NOTHING, follows("a"), assigned_at=NOW)
    now = transitions.renewed(was, newest({"a": 4}), before)
    assert now.sequence == was.sequence + 3
    assert now.assigned == Assigned(follows("a", 4), NOW)
    assert now.previous == PersonaRef("a", 30, "a3")


def test_a_pinned_one_and_an_empty_one_are_renewed_to_themselves() -> None:
    pinned = transitions.assigned(NOTHING, transitions.pinned(follows("a")), assigned_at=NOW)
    for was in (NOTHING, pinned):
        assert transitions.renewed(was, newest({"a": 4}), before) is was


def test_a_followed_fallback_is_renewed_and_the_trial_goes_on() -> None:
    was = transitions.assigned(
        NOTHING, follows("a"), assigned_at=NOW, expires_at=LATER, fallback=follows("b")
    )
    now = transitions.renewed(was, newest({"a": 1, "b": 2}), before)
    assert now.assigned == replace(was.assigned, fallback=follows("b", 2)) if was.assigned else False
    assert now.previous == was.previous
    assert now.sequence > was.sequence


def test_what_expired_is_not_gone_back_to() -> None:
    worn = transitions.assigned(NOTHING, follows("a"), assigned_at=NOW)
    trial = transitions.assigned(worn, follows("b"), assigned_at=NOW, expires_at=LATER, fallback=follows("a"))
    after = transitions.expired(trial)
    assert after.assigned == Assigned(follows("a"), LATER)
    assert after.previous == trial.previous


@pytest.mark.parametrize(
    "assignment",
    [
        NOTHING,
        transitions.assigned(NOTHING, follows("a"), assigned_at=NOW),
        UNCONFIRMED,
        transitions.expired(UNCONFIRMED),
        transitions.confirmed(UNCONFIRMED),
    ],
)
def test_what_is_stored_reads_back_equal(assignment: Assignment) -> None:
    assert Assignment.of(json.loads(json.dumps(assignment.put({})))) == assignment


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), st.sampled_from("ab"), st.booleans()),
        st.tuples(st.sampled_from(["release", "rollback", "expire"])),
        st.tuples(st.just("replace"), st.sampled_from("ab")),
    ),
    max_size=20,
)


@given(STEPS)
def test_sequences_rise_with_every_step_that_is_seen(steps: list[tuple[object, ...]]) -> None:
    """Deriving what followers wear gives what writing it each time would: it rises, and never repeats."""
    editions = {"a": 1, "b": 1}
    stored, seen = NOTHING, NOTHING
    for step in steps:
        if step[0] == "replace":
            editions[str(step[1])] += 1
        elif step[0] == "assign":
            persona = follows(str(step[1]), editions[str(step[1])])
            ends = {"expires_at": LATER, "fallback": seen.assigned and seen.assigned.persona}
            stored = transitions.assigned(seen, persona, assigned_at=NOW, **(ends if step[2] else {}))  # type: ignore[arg-type]
        elif step[0] == "release":
            stored = transitions.released(seen)
        elif step[0] == "expire":
            stored = transitions.expired(seen)
        elif seen.previous is not None:
            stored = transitions.rolled_back(seen, seen.previous, assigned_at=NOW)
        now = transitions.renewed(stored, newest(editions), before)
        assert now.sequence > seen.sequence or now == seen
        assert transitions.renewed(now, newest(editions), before) == now
        seen = now
