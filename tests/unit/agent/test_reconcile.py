from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.agent.fakes import attached, binding, endpoint

from netpersona.agent.desired import Assignment, Dress
from netpersona.agent.reconcile import (
    Attach,
    Detach,
    Moment,
    Wish,
    expiry_ns,
    needs_switch,
    plan_attachments,
)
from netpersona.agent.workloads import Found, Missing, Refused, rivals
from netpersona.datapath import Binding

WEB = endpoint("veth1", 11)
DB = endpoint("veth2", 12)


def test_what_is_in_place_needs_nothing() -> None:
    plan = plan_attachments({"web": Found(WEB)}, {"web": 1}, [attached(1, WEB)], orphans=True)
    assert plan == []


def test_a_found_workload_is_attached() -> None:
    assert plan_attachments({"web": Found(WEB)}, {}, [], orphans=True) == [Attach("web", WEB)]


def test_a_missing_workload_is_detached() -> None:
    plan = plan_attachments({"web": Missing("gone")}, {"web": 1}, [attached(1, WEB)], orphans=False)
    assert plan == [Detach(1, "web")]


def test_a_refused_workload_is_detached() -> None:
    plan = plan_attachments({"web": Refused("yours")}, {"web": 1}, [attached(1, WEB)], orphans=False)
    assert plan == [Detach(1, "web")]


def test_a_workload_that_moved_leaves_before_it_arrives() -> None:
    plan = plan_attachments({"web": Found(DB)}, {"web": 1}, [attached(1, WEB)], orphans=True)
    assert plan == [Detach(1, "web"), Attach("web", DB)]


def test_an_interface_that_was_made_again_is_another_one() -> None:
    again = replace(WEB, ifindex=99)
    plan = plan_attachments({"web": Found(again)}, {"web": 1}, [attached(1, WEB)], orphans=True)
    assert plan == [Detach(1, "web"), Attach("web", again)]


def test_an_attachment_that_was_never_written_down_is_adopted() -> None:
    # The agent was killed between attaching and its journal: attaching again is idempotent.
    plan = plan_attachments({"web": Found(WEB)}, {}, [attached(7, WEB)], orphans=True)
    assert plan == [Attach("web", WEB)]


def test_orphans_stay_until_the_manager_has_spoken() -> None:
    assert plan_attachments({}, {}, [attached(5, DB)], orphans=False) == []
    assert plan_attachments({}, {}, [attached(5, DB)], orphans=True) == [Detach(5, None)]


def test_a_recorded_attachment_that_a_reboot_took_is_made_again() -> None:
    assert plan_attachments({"web": Found(WEB)}, {"web": 3}, [], orphans=True) == [Attach("web", WEB)]


def test_of_two_on_one_interface_the_holder_wins() -> None:
    places = {"a": Found(WEB), "b": Found(WEB)}
    assert rivals(places, {"b": WEB.ifindex}) == {"a": "b"}
    assert rivals(places, {}) == {"b": "a"}


def test_a_holder_that_was_not_looked_up_wins_too() -> None:
    assert rivals({"a": Found(WEB)}, {"b": WEB.ifindex}) == {"a": "b"}


@pytest.mark.parametrize(
    ("have", "wish", "due"),
    [
        (binding(slot=3), Wish(3), False),
        (binding(slot=3), Wish(4), True),
        (binding(slot=3), Wish(3, 500, 1), True),
        (binding(slot=3, expires_ns=500, fallback_slot=1), Wish(3, 500, 1), False),
        (binding(slot=3, expires_ns=500, fallback_slot=1), Wish(3, 500, 2), True),
        (binding(slot=3, expires_ns=500, fallback_slot=1), Wish(3, 600, 1), True),
        (binding(slot=3, expires_ns=500, fallback_slot=1), Wish(3), True),
        # The lease ran out at 50; it is 100 now.
        (binding(slot=3, expires_ns=50, fallback_slot=1), Wish(1), False),
        (binding(slot=3, expires_ns=50, fallback_slot=1), Wish(3), True),
        (binding(slot=3, expires_ns=50, fallback_slot=1), Wish(2), True),
        # Not yet over: the fallback is wanted now.
        (binding(slot=3, expires_ns=500, fallback_slot=1), Wish(1), True),
    ],
)
def test_a_store_is_due_only_where_something_differs(have: Binding, wish: Wish, due: bool) -> None:
    assert needs_switch(have, wish, now_ns=100) is due


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = Moment(NOON, monotonic_ns=5_000_000_000)


def until(seconds: float) -> Assignment:
    return Assignment(Dress("slow", 1, "{}"), expires_at=NOON + timedelta(seconds=seconds))


def test_the_wall_clock_becomes_the_monotonic_one() -> None:
    assert expiry_ns(until(2), NOW, recorded_ns=0, bound_ns=0) == 7_000_000_000


def test_no_expiry_is_zero() -> None:
    forever = Assignment(Dress("slow", 1, "{}"))
    assert expiry_ns(forever, NOW, recorded_ns=9, bound_ns=9) == 0


def test_a_stepped_wall_clock_does_not_move_a_recorded_lease() -> None:
    stepped = replace(NOW, wall=NOON + timedelta(hours=1))
    assert expiry_ns(until(2), stepped, recorded_ns=7_000_000_000, bound_ns=0) == 7_000_000_000


def test_a_bound_lease_close_to_the_wanted_one_is_adopted() -> None:
    assert expiry_ns(until(2), NOW, recorded_ns=0, bound_ns=7_000_400_000) == 7_000_400_000
    assert expiry_ns(until(2), NOW, recorded_ns=0, bound_ns=9_000_000_000) == 7_000_000_000


def test_a_lease_that_ended_long_ago_is_not_never() -> None:
    assert expiry_ns(until(-3600), NOW, recorded_ns=0, bound_ns=0) > 0
