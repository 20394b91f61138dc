"""Whatever is measured: no switch within the dwell time, none beyond the cap, none on stale measurements."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.adapt.world import World, measured, policy

from netpersona.adapt import Effects
from netpersona.kinds.errors import InvalidDocument
from netpersona.kinds.measured import Measured
from netpersona.kinds.policy.kind import POLICY
from netpersona.kinds.policy.metrics import METRICS
from netpersona.kinds.policy.when import parse

NAMES = ("calm", "robust", "shaped")
EFFECTS = {"calm": Effects(), "robust": Effects(latency_ms=30), "shaped": Effects(egress_bit_s=5e6)}

conditions = st.sampled_from(
    ["loss > 2%", "loss > 2% for 3s", "rtt > 80ms", "rtt > 50ms and loss < 10% for 2s", "packets >= 5kpps"]
)
rules = st.lists(
    st.fixed_dictionaries({"when": conditions, "persona": st.sampled_from(NAMES)}), min_size=1, max_size=4
)
seconds = st.integers(1, 20).map(lambda n: f"{n}s")
guards = st.none() | st.fixed_dictionaries(
    {"metric": st.sampled_from(["rtt", "loss", "throughput"]), "within": seconds, "block": seconds}
)
objectives = st.none() | st.just({"latency": {"target": "50ms"}, "throughput": {"target": "5mbit"}})


@st.composite
def policies(draw: st.DrawFn) -> Any:
    keys = {
        "rules": draw(rules),
        "guard": draw(guards),
        "objective": draw(objectives),
        "default": draw(st.none() | st.sampled_from(NAMES)),
        "dwell": draw(seconds),
        "hysteresis": draw(st.sampled_from(["0%", "10%", "50%"])),
        "max_switches": {"count": draw(st.integers(2, 6)), "within": draw(st.sampled_from(["20s", "60s"]))},
        "stale_after": "3s",
    }
    return policy(candidates=list(NAMES), **{key: value for key, value in keys.items() if value is not None})


samples = st.none() | st.builds(
    measured,
    rtt=st.none() | st.floats(0, 500),
    loss=st.none() | st.floats(0, 0.2),
    mbit=st.floats(0, 100),
    packets=st.floats(0, 1e4),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies(), st.lists(samples, min_size=10, max_size=120))
def test_adaptation_keeps_its_bounds(spec: Any, script: list[Measured | None]) -> None:
    world = World(spec, lambda at_s, _: script[int(at_s) - 1], worn="calm", effects=EFFECTS).run(len(script))
    assert all(gap_s >= spec.dwell / 1e9 for gap_s in world.gaps_s)
    cap, moments = spec.max_switches, [at_s for at_s, _ in world.switches]
    for at_s in moments:
        assert sum(at_s <= other < at_s + cap.within / 1e9 for other in moments) <= cap.count
    for number, said in enumerate(world.decisions):
        fresh = any(script[max(0, number - 3) : number + 1])
        assert fresh or said.action == "none"
        assert said.action in ("stay", "none") or said.persona != said.worn
        assert said.persona is None or said.persona in NAMES
        assert said.reason


@settings(max_examples=60, deadline=None)
@given(policies(), samples.filter(bool))
def test_a_world_that_does_not_change_is_settled_in(spec: Any, seen: Measured) -> None:
    """Where personas do nothing to what is measured, none makes it worse, and no other is better."""
    idle = {name: Effects() for name in NAMES}
    world = World(spec, lambda *_: seen, worn="calm", effects=idle).run(150)
    assert not [at_s for at_s, _ in world.switches if at_s > 60]
    assert "revert" not in {said.action for said in world.decisions}


quantities = {
    "ms": st.integers(0, 5000).map(lambda n: f"{n}ms"),
    "bit/s": st.integers(1, 10**6).map(lambda n: f"{n}kbit"),
    "share": st.integers(0, 1000).map(lambda n: f"{n / 10}%"),
    "packets/s": st.integers(0, 1000).map(lambda n: f"{n}kpps"),
    "packets": st.integers(0, 10**6).map(str),
}


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    metric = METRICS[draw(st.sampled_from(sorted(METRICS)))]
    side = draw(st.sampled_from(["", "egress.", "ingress."]))
    space = draw(st.sampled_from(["", " ", "  "]))
    sign = draw(st.sampled_from([">", ">=", "<", "<="]))
    return f"{side}{metric.name}{space}{sign}{space}{draw(quantities[metric.unit.base])}"


@given(st.lists(comparisons(), min_size=1, max_size=4), st.none() | seconds)
def test_a_condition_is_written_as_it_is_read(parts: list[str], held: str | None) -> None:
    text = " and ".join(parts) + (f" for {held}" if held else "")
    read = parse(text)
    assert len(read.comparisons) == len(parts)
    assert parse(str(read)) == read


def problems(text: Any) -> list[str]:
    """Remedies of all that is wrong with a condition."""
    try:
        POLICY.read({"policy_id": "any", "rules": [{"when": text, "persona": "calm"}]})
    except InvalidDocument as error:
        return [problem.remedy for problem in error.problems]
    return []


@given(st.text(max_size=60) | st.text("loss<>=. %0123egrsand fo", max_size=30) | st.none() | st.integers())
def test_no_input_whatever_ends_in_a_traceback(text: Any) -> None:
    assert all(problems(text))
