"""What is decided in scripted worlds."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from tests.unit.adapt.world import BEGIN_S, World, measured, policy

from netpersona.adapt import Effects, State, decide
from netpersona.kinds.measured import Sample
from netpersona.kinds.policy.model import MaxSwitches

LOSSY = policy(
    rules=[{"when": "loss > 2% for 3s", "persona": "robust"}], default="plain", dwell="5s", hysteresis="20%"
)


def test_a_rule_must_hold_for_its_time() -> None:
    world = World(LOSSY, lambda at_s, _: measured(loss=0.05 if at_s > 10 else 0.0), worn="plain").run(20)
    assert world.switches == [(13.0, "robust")]
    said = world.decisions[12]
    assert (said.scorer, said.worn, said.inputs) == ("rules", "plain", {"loss": 0.05})
    assert "rule 1 holds (loss > 2% for 3s): loss is 5%" in said.reason


def test_a_short_burst_is_none() -> None:
    world = World(LOSSY, lambda at_s, _: measured(loss=0.05 if at_s % 4 < 2 else 0.0), worn="plain").run(60)
    assert world.switches == []


def test_it_ends_where_it_belongs_and_stays_there() -> None:
    world = World(LOSSY, lambda *_: measured(loss=0.05)).run(120)
    assert (world.worn, len(world.switches)) == ("robust", 2), "the default first, as 3 s are not over"
    calm = World(LOSSY, lambda *_: measured(), worn="robust").run(120)
    assert (calm.worn, len(calm.switches)) == ("plain", 1)


def test_noise_around_the_threshold_does_not_flap() -> None:
    noise = random.Random(7)
    values = [0.02 * (1 + noise.uniform(-0.15, 0.15)) for _ in range(600)]
    jumpy = policy(rules=[{"when": "loss > 2%", "persona": "robust"}], default="plain", dwell="1s",
                   hysteresis="0%", max_switches={"count": 1000})  # fmt: skip
    steady = jumpy.model_copy(update={"hysteresis": LOSSY.hysteresis})
    flapping = World(jumpy, lambda at_s, _: measured(loss=values[int(at_s) - 1]), worn="plain").run(600)
    held = World(steady, lambda at_s, _: measured(loss=values[int(at_s) - 1]), worn="plain").run(600)
    assert len(flapping.switches) > 100, "or the test says nothing"
    assert len(held.switches) == 1


def test_dwell_comes_first() -> None:
    world = World(
        LOSSY, lambda at_s, _: measured(loss=0.05 if at_s % 8 < 4 else 0.0), worn="plain"
    ).run(200)  # fmt: skip
    assert min(world.gaps_s) >= 5
    waiting = [said for said in world.decisions if "is worn for 5s first" in said.reason]
    assert waiting
    assert all(said.action == "stay" for said in waiting)
    assert all(said.wanted != said.worn for said in waiting)


def test_the_cap_holds_in_any_stretch() -> None:
    capped = policy(
        rules=[{"when": "loss > 2%", "persona": "robust"}], default="plain", dwell="2s",
        max_switches={"count": 3, "within": "60s"},
    )  # fmt: skip
    world = World(capped, lambda at_s, _: measured(loss=0.05 * (at_s % 10 < 5)), worn="plain").run(300)
    moments = [at_s for at_s, _ in world.switches]
    assert len(moments) > 6
    assert all(sum(at_s <= other < at_s + 60 for other in moments) <= 3 for at_s in moments)
    assert any("3 switches within 60s, of 3 at most" in said.reason for said in world.decisions)


@pytest.mark.parametrize("silent_from", [1, 30])
def test_nothing_is_done_without_fresh_measurements(silent_from: int) -> None:
    world = World(
        LOSSY, lambda at_s, _: measured(loss=0.05) if at_s < silent_from else None, worn="plain"
    ).run(200)  # fmt: skip
    silent = world.decisions[silent_from + 5 :]
    assert {said.action for said in silent} == {"none"}
    assert all("measured" in said.reason or "measurement is" in said.reason for said in silent)


def test_a_gap_in_the_measurements_breaks_a_run() -> None:
    samples = [Sample(BEGIN_S + at_s, measured(loss=0.05)) for at_s in (1, 2, 9)]
    slow = policy(rules=[{"when": "loss > 2% for 3s", "persona": "robust"}], default="plain")
    decided = decide(slow, samples, State(), worn="plain", now_s=BEGIN_S + 9, effects={})
    assert decided.decision.action == "stay"


def test_what_was_not_measured_neither_begins_nor_ends_a_rule() -> None:
    world = World(LOSSY, lambda at_s, _: measured(loss=0.05 if at_s < 10 else None), worn="plain").run(60)
    assert world.worn == "robust"
    idle = World(LOSSY, lambda *_: measured(loss=None), worn="plain").run(60)
    assert idle.switches == []


def test_rules_are_tried_in_order_and_a_later_one_gives_way() -> None:
    two = policy(
        rules=[
            {"when": "packets > 10kpps", "persona": "lockdown"},
            {"when": "loss > 2%", "persona": "robust"},
        ],
        default="plain",
        dwell="2s",
    )
    world = World(two, lambda at_s, _: measured(loss=0.05, packets=2e4 if 20 < at_s <= 40 else 50))
    assert world.run(20).worn == "robust"
    assert world.run(10).worn == "lockdown"
    assert world.run(20).worn == "robust"


def test_without_a_default_it_stays_as_it_is() -> None:
    alone = policy(rules=[{"when": "loss > 2%", "persona": "robust"}])
    world = World(alone, lambda *_: measured(), worn="mine").run(20)
    assert world.switches == []
    assert world.decisions[-1].reason == "no rule holds, and there is no default"


GUARDED = policy(
    rules=[{"when": "loss > 2% for 2s", "persona": "bad"}, {"when": "loss > 2% for 2s", "persona": "good"}],
    default="plain", dwell="5s", guard={"metric": "rtt", "worse_by": "20%", "within": "5s", "block": "30s"},
    max_switches={"count": 100, "within": "10min"},
)  # fmt: skip


def rtt_of(worn: str | None) -> float:
    return 80.0 if worn == "bad" else 20.0


def test_a_bad_choice_is_undone_and_not_made_again_at_once() -> None:
    world = World(GUARDED, lambda _, worn: measured(loss=0.05, rtt=rtt_of(worn)), worn="plain").run(30)
    assert [persona for _, persona in world.switches] == ["bad", "plain", "good"]
    undone = next(said for said in world.decisions if said.action == "revert")
    assert undone.reason == "bad made it worse: rtt was 20, is 80; bad is no candidate for 30s"
    assert undone.outcome is not None
    assert (undone.outcome.was, undone.outcome.now, undone.outcome.verdict) == (20, 80, "worse")
    assert min(world.gaps_s) >= 5


def test_what_failed_again_is_blocked_for_longer() -> None:
    world = World(GUARDED, lambda _, worn: measured(loss=0.05, rtt=rtt_of(worn)), worn="plain").run(600)
    tried = [at_s for at_s, persona in world.switches if persona == "bad"]
    pauses = [later - at_s for at_s, later in pairwise(tried)]
    assert len(pauses) >= 3
    assert all(later > 1.7 * pause for pause, later in pairwise(pauses)), pauses


def test_a_good_choice_is_kept_and_its_outcome_told() -> None:
    world = World(GUARDED, lambda _, worn: measured(loss=0.05, rtt=10.0 if worn else 40.0), worn=None)
    world.run(60)
    told = [said.outcome for said in world.decisions if said.outcome]
    assert [(one.persona, one.verdict) for one in told] == [("plain", "better"), ("bad", "same")]
    assert "revert" not in {said.action for said in world.decisions}


def test_a_switch_that_left_nothing_worn_is_undone_to_that() -> None:
    only = policy(rules=[{"when": "loss > 2%", "persona": "bad"}], dwell="5s",
                  guard={"metric": "rtt", "within": "5s"})  # fmt: skip
    world = World(only, lambda _, worn: measured(loss=0.05, rtt=rtt_of(worn))).run(15)
    assert world.switches[1][1] is None


def test_the_cap_leaves_a_switch_to_undo_the_last() -> None:
    few = GUARDED.model_copy(update={"max_switches": MaxSwitches(count=2)})
    world = World(few, lambda _, worn: measured(loss=0.05, rtt=rtt_of(worn)), worn="plain").run(300)
    assert [persona for _, persona in world.switches] == ["bad", "plain"]


def test_a_clock_that_was_set_back_holds_nothing_up_for_longer_than_the_dwell() -> None:
    world = World(LOSSY, lambda *_: measured(loss=0.05), worn="plain").run(20)
    state = world.state
    assert state.switches
    early = BEGIN_S - 86400
    assert state.as_of(early, "robust", 600).switches == (early,)


BLOAT = policy(
    objective={
        "latency": {"weight": 3, "target": "50ms"},
        "throughput": {"weight": 1, "target": "10mbit"},
        "over": "5s",
    },
    candidates=["open", "shaped"],
    default="open",
    dwell="10s",
    guard={"metric": "score", "within": "10s"},
)
SHAPED = {"open": Effects(), "shaped": Effects(egress_bit_s=9e6)}


def test_an_objective_shapes_below_a_bottleneck_that_queues() -> None:
    def path(_: float, worn: str | None) -> object:
        queued = worn != "shaped"
        return measured(rtt=300 if queued else 25, rtt_min=20, mbit=10 if queued else 9)

    world = World(BLOAT, path, worn="open", effects=SHAPED).run(100)  # type: ignore[arg-type]
    assert world.worn == "shaped"
    assert len(world.switches) == 1
    chosen = next(said for said in world.decisions if said.action == "switch")
    assert chosen.scorer == "objective"
    assert [score.persona for score in chosen.scores] == ["shaped", "open"]
    assert chosen.scores[0].score > chosen.scores[1].score
    outcomes = [said.outcome.verdict for said in world.decisions if said.outcome]
    assert outcomes == ["better"]


def test_an_objective_leaves_an_idle_path_alone() -> None:
    world = World(BLOAT, lambda *_: measured(rtt=20, mbit=0.05), worn="open", effects=SHAPED).run(60)
    assert world.switches == []


def test_an_objective_without_what_it_weighs_does_nothing() -> None:
    world = World(BLOAT, lambda *_: measured(rtt=None), worn="open", effects=SHAPED).run(30)
    assert {said.action for said in world.decisions} == {"none"}
    assert world.decisions[-1].reason == "not measured: latency"


def test_what_the_worn_persona_adds_is_taken_off_before_a_candidate_is_judged() -> None:
    goal = policy(
        objective={"latency": {"target": "50ms"}, "loss": {"target": "1%"}}, candidates=["far", "near"]
    )
    effects = {"far": Effects(latency_ms=200, loss=0.1), "near": Effects(latency_ms=10)}
    world = World(goal, lambda *_: measured(rtt=230, loss=0.1), worn="far", effects=effects)
    said = world.run(1).decisions[0]
    assert (said.action, said.persona) == ("switch", "near")
    assert "rtt 40ms, loss 0.00%" in said.reason


def test_a_scorer_that_was_learned_plugs_in() -> None:
    from netpersona.adapt.scorers import Opinion, Situation
    from netpersona.kinds.adaptation import Score

    class Learned:
        name = "objective"

        def opinion(self, situation: Situation) -> Opinion:
            return Opinion((Score(persona=situation.candidates[-1], score=0.9, why="learned"),))

    decided = decide(
        BLOAT, [Sample(BEGIN_S, measured())], State(), worn="open", now_s=BEGIN_S, effects={},
        scorers=[Learned()],  # type: ignore[list-item]
    )  # fmt: skip
    assert decided.decision.persona == "shaped"
