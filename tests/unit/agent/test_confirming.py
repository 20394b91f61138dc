"""Assignments with a probe: counted in a row, told, and taken back without a manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from tests.unit.agent.hosts import NOON, Host, wanting, workload

from netpersona.agent.agent import Agent
from netpersona.agent.confirming import Confirming
from netpersona.agent.desired import Workload

FALLBACK = {"persona_id": "fast", "persona_revision": 1, "persona": {"persona_id": "fast"}}
ANSWERED, SILENT = "", "no answer"


def probed(sequence: int = 1, probe: str | None = "ping:10.0.0.1") -> Workload:
    ends = (NOON + timedelta(seconds=30)).isoformat()
    return workload("web", "slow", sequence, expires_at=ends, fallback=FALLBACK, probe=probe)


def play(
    host: Host,
    answers: list[str],
    *,
    wanted: Workload | None = None,
    before: Callable[[Agent], None] = lambda _: None,
) -> tuple[Agent, Confirming, list[str]]:
    """An agent that asks, until the answers are used up; what it has asked."""
    asked: list[str] = []
    kept: list[Confirming] = []

    async def steps(agent: Agent) -> None:
        waiting: Iterator[str] = iter(answers)
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask(asking: Workload, endpoint: object, probe: object) -> str:
            del endpoint
            before(agent)
            asked.append(f"{asking.workload_id} {probe}")
            answer = next(waiting)
            if len(asked) == len(answers):
                loop.call_soon_threadsafe(done.set)
            return answer

        confirming = Confirming(
            agent.states, ask, lambda: host.now, agent.give_up, host.changed.append, every_s=0
        )
        kept.append(confirming)
        await wanting(wanted or probed())(agent)
        confirming.look("web")
        if answers:
            await done.wait()
        await asyncio.gather(*confirming._tasks.values())
        confirming.look("web")
        confirming.close()

    return host.run(steps), kept[0], asked


def test_three_answers_in_a_row_are_a_verdict(host: Host) -> None:
    answers = [SILENT, ANSWERED, ANSWERED, SILENT, ANSWERED, ANSWERED, ANSWERED]
    agent, confirming, asked = play(host, answers)
    assert asked == ["web ping:10.0.0.1"] * 7, "and nothing is asked after it"
    report = confirming.report("web")
    assert report == {"sequence": 1, "passed": 3, "failed": 0, "message": "", "verdict": "passed"}
    assert agent.states["web"].applied_sequence == 1
    assert len(host.programs.binds) == 1, "the manager confirms"


def test_three_failures_in_a_row_put_the_fallback_in_force_at_once(host: Host) -> None:
    _, confirming, _ = play(host, [ANSWERED, SILENT, SILENT, SILENT])
    assert confirming.report("web") == {
        "sequence": 1,
        "passed": 0,
        "failed": 3,
        "message": SILENT,
        "verdict": "failed",
    }
    assert len(host.programs.binds) == 2
    assert host.programs.binds[-1][1].expires_ns == 0


def test_what_was_taken_back_does_not_come_back_with_a_restarted_agent(host: Host) -> None:
    play(host, [SILENT] * 3)
    worn = host.worn("web")
    host.run(wanting(probed()))
    assert host.worn("web") == worn
    assert len(host.programs.binds) == 2


def test_a_restarted_agent_asks_on(host: Host) -> None:
    host.run(wanting(probed()))
    _, _, asked = play(host, [ANSWERED] * 3)
    assert len(asked) == 3


@pytest.mark.parametrize("wanted", [probed(probe=None), workload("web", "slow", 1)])
def test_nothing_is_asked_of_other_assignments(host: Host, wanted: Workload) -> None:
    _, confirming, asked = play(host, [], wanted=wanted)
    assert (asked, confirming.report("web")) == ([], None)


def test_an_answer_about_what_was_replaced_meanwhile_counts_for_nothing(host: Host) -> None:
    def replaced(agent: Agent) -> None:
        agent.states["web"].workload = workload("web", "fast", 2)

    _, confirming, asked = play(host, [SILENT], before=replaced)
    assert len(asked) == 1
    assert confirming.report("web") is None


def test_nothing_is_asked_past_the_end(host: Host) -> None:
    """The data path has gone back by itself: how the fallback fares is no verdict."""

    def late(_: Agent) -> None:
        host.pass_time(31)

    _, confirming, asked = play(host, [SILENT], before=late)
    assert len(asked) == 1
    assert confirming.report("web") is None


def test_what_is_given_up_too_late_changes_nothing(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(probed(sequence=2))(agent)
        agent.give_up("web", 1)
        agent.give_up("nobody", 1)

    host.run(steps)
    assert len(host.programs.binds) == 1
