from dataclasses import asdict
from datetime import UTC, datetime

from tests.unit.agent.fakes import workload_document

from netpersona.agent.desired import parse_workload
from netpersona.agent.status import Seen, WorkloadState, status_document
from netpersona.datapath import Binding, Counters, EngineStats, LaneStats, Observation, Tally

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_what_was_observed_is_shown_whole() -> None:
    counters = Counters(passed=Tally(3, 200), flows_created=1)
    lane, engine = LaneStats(received=2), EngineStats(alive=True, heartbeat_age_ns=5, lateness=(1, 2))
    seen = Seen(Binding(2, 1, 0, 0), Observation(1, "v0", counters, Counters(), lane, LaneStats()), engine)
    state = WorkloadState(parse_workload(workload_document("web")))
    document = status_document(state, seen, monotonic_ns=0, now=NOON)
    assert document["counters"] == {"egress": asdict(counters), "ingress": asdict(Counters())}
    assert document["lanes"] == {"egress": asdict(lane), "ingress": asdict(LaneStats())}
    assert document["engine"] == asdict(engine)
