"""What the kernel programs should do, against what they do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netpersona.datapath import NOTHING, Assigned, Endpoint, Facing, Target, Wanted
from netpersona.datapath.programs.plan import ADOPT_NS, Applied, Attach, Bind, Detach, is_in_force, plan
from netpersona.kinds.persona import compile_persona, from_mapping

WEB = Endpoint("veth1", 11, Facing.WORKLOAD)
A, B, C = (compile_persona(from_mapping({"persona_id": "p", "mtu": mtu})) for mtu in (1300, 1400, 1500))
THERE = Applied(1, Facing.WORKLOAD, whole=True)
LEASE = Assigned(A, 500, B)
LEASED = replace(THERE, digest=A.digest, expires_ns=500, fallback=B.digest)
LAPSED = replace(LEASED, lapsed=True)


def wanting(assigned: Assigned | None, endpoint: Endpoint | None = WEB, complete: bool = True) -> Wanted:
    return Wanted({11: Target("web", 11, endpoint, assigned)}, complete=complete)


BIND = Bind(11, "web", Assigned(A), instant=True)


def test_what_is_in_place_needs_nothing() -> None:
    assert plan({11: THERE}, wanting(NOTHING)) == []


def test_what_was_found_is_attached_and_then_bound() -> None:
    assert plan({}, wanting(Assigned(A))) == [Attach(11, "web", WEB), BIND]
    assert plan({}, wanting(NOTHING)) == plan({}, wanting(None)) == [Attach(11, "web", WEB)]


def test_what_is_attached_is_only_bound() -> None:
    assert plan({11: THERE}, wanting(Assigned(A))) == [BIND]


@pytest.mark.parametrize("found", [replace(THERE, whole=False), replace(THERE, facing=Facing.NETWORK)])
def test_what_is_not_whole_or_faces_the_other_side_starts_anew(found: Applied) -> None:
    changes = plan({11: replace(found, digest=A.digest)}, wanting(Assigned(A)))
    assert changes == [Detach(11, "web"), Attach(11, "web", WEB), BIND]


def test_what_is_given_up_goes_first() -> None:
    wanted = Wanted(wanting(Assigned(A)).targets, released={12})
    assert plan({12: THERE}, wanted) == [Detach(12, None), Attach(11, "web", WEB), BIND]


def test_orphans_stay_until_everything_that_is_wanted_is_known() -> None:
    assert plan({12: THERE}, Wanted({}, complete=False)) == []
    assert plan({12: THERE}, Wanted({}, complete=True)) == [Detach(12, None)]


def test_where_nothing_is_attached_and_nobody_can_look_binding_says_so() -> None:
    assert plan({}, wanting(Assigned(A), endpoint=None)) == [BIND]
    assert plan({}, wanting(None, endpoint=None)) == []


@pytest.mark.parametrize(
    ("found", "assigned", "in_force"),
    [
        (THERE, NOTHING, True),
        (replace(THERE, digest=A.digest), Assigned(A), True),
        (replace(THERE, digest=A.digest), Assigned(B), False),
        (replace(THERE, digest=A.digest), NOTHING, False),
        (replace(THERE, digest=A.digest), LEASE, False),
        (LEASED, LEASE, True),
        (LEASED, replace(LEASE, fallback=None), False),
        (LEASED, Assigned(A), False),
        (LEASED, Assigned(B), False),
        (LAPSED, LEASE, True),
        (LAPSED, Assigned(B), True),
        (LAPSED, Assigned(A), False),
        (LAPSED, Assigned(C), False),
        (replace(LAPSED, fallback=""), NOTHING, True),
    ],
)
def test_a_store_is_due_only_where_something_differs(
    found: Applied, assigned: Assigned, in_force: bool
) -> None:
    assert is_in_force(found, assigned) is in_force


def test_a_lease_close_to_the_wanted_one_is_the_wanted_one() -> None:
    assert is_in_force(LEASED, replace(LEASE, expires_ns=500 + ADOPT_NS))
    assert not is_in_force(LEASED, replace(LEASE, expires_ns=501 + ADOPT_NS))
