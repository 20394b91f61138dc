"""Adaptation at the manager: enabled, decided, assigned, logged, paused, and switched off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.control.conftest import FakeClock

from netpersona.control import FakeStore, Service
from netpersona.control.actions.adaptations import DECISIONS_BOUND
from netpersona.control.identity.calls import ROOT, Call
from netpersona.control.problems import Conflict, NotFound, Unprocessable
from netpersona.control.store.protocol import Record
from netpersona.kinds.adaptation import AdaptationRequest, AdaptationState
from netpersona.kinds.workload import AssignmentRequest, StatusReport

POLICY = {
    "policy_id": "calls",
    "rules": [{"when": "loss > 2% for 2s", "persona": "robust"}],
    "default": "plain",
    "dwell": "5s",
    "guard": {"metric": "rtt", "within": "5s"},
}
HAND = Call(ROOT)


class Adapting:
    """One workload that adapts, and the means to let it see something."""

    def __init__(self, service: Service, clock: FakeClock) -> None:
        self.service, self.clock = service, clock

    async def prepare(self, **policy: Any) -> None:
        for name in ("plain", "robust", "mine"):
            await self.service.personas.create({"persona_id": name})
        await self.service.policies.create({**POLICY, **policy})
        await self.service.workloads.create({"workload_id": "web", "kind": "interface", "interface": "lo"})

    async def enable(self, **keys: Any) -> None:
        await self.service.adaptations.enable("web", AdaptationRequest(policy_id="calls", **keys), HAND)

    async def see(self, seconds: int, loss: float = 0.0, rtt: float = 20.0) -> None:
        for _ in range(seconds):
            self.clock.advance(seconds=1)
            trips = {"min_ms": rtt, "median_ms": rtt, "p95_ms": rtt}
            side = {"loss": loss, "rtt": trips}
            self.service.report_status(
                "web",
                StatusReport.model_validate(
                    {"phase": "attached", "measured": {"interval_s": 1, "egress": side}}
                ),
            )
            await self.service.adaptation_loop.step()

    @property
    def worn(self) -> str | None:
        assignment = self.service.workloads.get("web").state.assignment
        return assignment.persona_id if assignment else None

    @property
    def state(self) -> AdaptationState:
        state = self.service.workloads.get("web").state.adaptation
        assert state is not None
        return state

    @property
    def log(self) -> list[tuple[str, str | None, str]]:
        return [(line.action, line.persona, line.result) for line in self.service.adaptations.log("web")]


@pytest.fixture
def world(service: Service, clock: FakeClock) -> Adapting:
    return Adapting(service, clock)


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())


def test_it_assigns_what_the_policy_says_and_logs_it(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        await world.see(1)
        assert world.worn == "plain"
        await world.see(10, loss=0.05)
        assert world.worn == "robust"
        assert world.log == [("switch", "plain", "done"), ("switch", "robust", "done")]
        line = world.service.adaptations.log("web")[1]
        assert line.inputs == {"loss": 0.05}
        assert (line.worn, line.policy_id, line.scorer) == ("plain", "calls", "rules")
        assert "rule 1 holds" in line.reason
        await world.see(6, loss=0.05)
        verdicts = [line.outcome.verdict for line in world.service.adaptations.log("web") if line.outcome]
        assert verdicts == ["same", "same"]

    run(scenario)


def test_a_bad_choice_is_undone(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        await world.see(8)
        for _ in range(20):
            await world.see(1, loss=0.05, rtt=200 if world.worn == "robust" else 20)
        assert world.worn == "plain"
        assert world.log[-1] == ("revert", "plain", "done")
        kept = world.service.adaptations.log("web")
        assert kept[1].outcome is not None
        assert kept[1].outcome.verdict == "worse"

    run(scenario)


def test_who_assigns_by_hand_comes_first(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        await world.see(6)
        await world.service.assignments.assign("web", AssignmentRequest(persona_id="mine"), HAND)
        assert world.state.paused is not None
        assert world.state.paused.by == "root"
        assert "paused: root changed what it wears" in world.state.said
        await world.see(20, loss=0.05)
        assert world.worn == "mine"
        await world.enable()
        await world.see(5, loss=0.05)
        assert world.worn == "robust"

    run(scenario)


def test_a_trial_by_hand_pauses_it_until_it_ends(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        await world.see(6)
        trial = AssignmentRequest(persona_id="mine", ttl="10s")
        await world.service.assignments.assign("web", trial, HAND)
        await world.see(5, loss=0.05)
        assert world.worn == "mine"
        world.clock.advance(seconds=6)
        await world.service.assignments.expire()
        assert world.state.paused is None
        await world.see(5, loss=0.05)
        assert world.worn == "robust"

    run(scenario)


def test_advice_changes_nothing_and_is_logged_once(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable(advise=True)
        await world.see(20, loss=0.05)
        assert world.worn is None
        assert world.log == [("switch", "plain", "advised"), ("switch", "robust", "advised")]

    run(scenario)


def test_the_kill_switch_stops_all(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        off = await world.service.adaptations.switch_all(enabled=False, call=HAND)
        assert (off["enabled"], off["changed_by"], off["workloads"]) == (False, "root", ["web"])
        await world.see(10, loss=0.05)
        assert world.worn is None
        assert world.state.latest is not None
        assert world.state.latest.reason == "adaptation is switched off for all workloads"
        await world.service.adaptations.switch_all(enabled=True, call=HAND)
        await world.see(1, loss=0.05)
        assert world.worn is not None

    run(scenario)


def test_silence_changes_nothing_and_is_said(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        await world.service.adaptation_loop.step()
        assert world.state.latest is not None
        assert world.state.latest.reason == "nothing has been measured"
        await world.see(3)
        world.clock.advance(seconds=60)
        await world.service.adaptation_loop.step()
        assert (world.state.latest.action, world.worn) == ("none", "plain")
        troubles = world.service.workloads.kind.troubles(world.service.workloads.get("web"))
        assert any("web does not adapt now: the newest measurement is 60.0s old" in line for line in troubles)

    run(scenario)


def test_what_is_remembered_survives_a_restart(world: Adapting, store: FakeStore) -> None:
    async def scenario() -> None:
        await world.prepare(max_switches={"count": 3, "within": "10min"})
        await world.enable()
        for number in range(6):
            await world.see(12, loss=0.05 * (number % 2 == 0))
        switches = len(world.log)
        assert switches == 2, "one is left to undo the last"
        again = Adapting(Service(store, world.clock), world.clock)
        for number in range(6):
            await again.see(12, loss=0.05 * (number % 2 == 0))
        assert len(again.log) == switches, "the cap holds over restarts"

    run(scenario)


def test_disabled_it_wears_what_it_wears(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        await world.see(3)
        await world.service.adaptations.disable("web", HAND)
        await world.see(20, loss=0.05)
        assert world.worn == "plain"
        assert world.service.workloads.get("web").state.adaptation is None
        with pytest.raises(NotFound):
            world.service.adaptations.required("web")

    run(scenario)


def test_a_policy_in_use_is_not_deleted_and_must_exist(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        with pytest.raises(Conflict):
            await world.service.policies.delete("calls")
        with pytest.raises(Conflict):
            await world.service.personas.delete("robust")
        assert world.service.policies.get("calls").state.in_use_by == ("web",)
        with pytest.raises(Unprocessable):
            await world.service.adaptations.enable("web", AdaptationRequest(policy_id="none"))
        await world.service.workloads.delete("web")
        await world.service.policies.delete("calls")

    run(scenario)


def test_the_log_is_bounded_and_goes_with_the_workload(world: Adapting, store: FakeStore) -> None:
    async def scenario() -> None:
        await world.prepare(dwell="1s", guard=None, max_switches={"count": 1000, "within": "10min"})
        await world.enable()
        for number in range(3 * DECISIONS_BOUND):
            await world.see(3, loss=0.05 * (number % 2))
        assert len(world.log) == DECISIONS_BOUND
        await world.service.workloads.delete("web")
        assert not store.list("decisions")

    run(scenario)


def test_a_change_in_between_is_not_overwritten(world: Adapting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody assigns after it was decided and before it is committed."""

    async def scenario() -> None:
        await world.prepare()
        await world.enable()
        loop = world.service.adaptation_loop
        commit = loop._commit

        async def late(workload: Record, operations: Any) -> bool:
            monkeypatch.setattr(loop, "_commit", commit)
            await world.service.assignments.assign("web", AssignmentRequest(persona_id="mine"), HAND)
            return await commit(workload, operations)

        monkeypatch.setattr(loop, "_commit", late)
        await world.see(3)
        assert world.worn == "mine"
        assert world.log == []

    run(scenario)


def test_counters_are_measurements_where_nothing_better_is_told(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare(rules=[{"when": "packets > 1kpps", "persona": "robust"}], guard=None)
        await world.enable()
        for second in range(4):
            world.clock.advance(seconds=1)
            counters = {"passed": {"packets": 5000 * second, "bytes": 500_000 * second}}
            report = {
                "phase": "attached",
                "observed_at": world.clock().isoformat(),
                "counters": {"egress": counters},
            }
            world.service.report_status("web", StatusReport.model_validate(report))
        newest = world.service.measurements.newest("web")
        assert newest is not None
        assert newest.measured.egress.packets_s == 5000
        assert newest.measured.egress.throughput_bit_s == 4e6
        await world.service.adaptation_loop.step()
        assert world.worn == "robust"

    run(scenario)


def test_a_rule_may_have_a_persona_written(world: Adapting, clock: FakeClock) -> None:
    async def scenario() -> None:
        rules = [{"when": "loss > 2% for 2s", "write": "voip"}]
        await world.prepare(rules=rules, guard=None)
        await world.enable()
        await world.see(8)
        await world.see(8, loss=0.05)
        assert world.worn == "voip-for-web"
        assert world.service.personas.get("voip-for-web").state.written_for == "web"
        await world.see(8)
        assert world.worn == "plain"
        clock.advance(minutes=5)
        assert await world.service.requirements.retire() == 1

    run(scenario)


def test_it_does_not_write_over_what_a_person_has_written(world: Adapting) -> None:
    async def scenario() -> None:
        await world.prepare(rules=[{"when": "loss > 2%", "write": "voip"}], guard=None)
        await world.service.personas.create({"persona_id": "voip-for-web"})
        await world.enable()
        await world.see(20, loss=0.05)
        assert world.worn is None
        assert world.log == [("switch", "voip-for-web", "failed")]
        assert "was not written for web" in world.service.adaptations.log("web")[0].message

    run(scenario)
