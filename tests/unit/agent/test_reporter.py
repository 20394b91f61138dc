import asyncio
from collections.abc import Mapping
from typing import Any

from tests.unit.agent.fakes import FakeManager

from netpersona.agent.backoff import Backoff
from netpersona.agent.reporter import BATCH, Reporter

Documents = dict[str, dict[str, Any]]


async def settle() -> None:
    for _ in range(4 * BATCH):
        await asyncio.sleep(0)


def reporting(manager: FakeManager, documents: Documents) -> Reporter:
    def document(name: str) -> Mapping[str, Any] | None:
        return dict(documents[name]) if name in documents else None

    return Reporter(manager, "h", document, Backoff(lambda _low, _high: 0.0))


async def steps(manager: FakeManager, documents: Documents, *calls: Any) -> list[str]:
    reporter = reporting(manager, documents)
    running = asyncio.create_task(reporter.run())
    for call in calls:
        call(reporter)
        await settle()
    running.cancel()
    return [name for name, _ in manager.statuses]


def test_a_change_is_sent_even_if_it_reads_the_same() -> None:
    documents: Documents = {"web": {"phase": "attached"}}
    sent = asyncio.run(
        steps(FakeManager(), documents, lambda r: r.changed("web"), lambda r: r.changed("web"))
    )
    assert sent == ["web", "web"]


def test_a_refresh_without_news_is_not_sent() -> None:
    documents: Documents = {"web": {"phase": "attached", "observed_at": "1"}}

    def later(reporter: Reporter) -> None:
        documents["web"]["observed_at"] = "2"
        reporter.refresh("web")

    assert asyncio.run(steps(FakeManager(), documents, lambda r: r.refresh("web"), later)) == ["web"]


def test_moving_counters_are_news() -> None:
    documents: Documents = {"web": {"counters": {"passed": 1}}}

    def later(reporter: Reporter) -> None:
        documents["web"]["counters"] = {"passed": 2}
        reporter.refresh("web")

    sent = asyncio.run(steps(FakeManager(), documents, lambda r: r.refresh("web"), later))
    assert sent == ["web", "web"]


def test_changes_of_one_moment_are_sent_once() -> None:
    def burst(reporter: Reporter) -> None:
        for _ in range(5):
            reporter.changed("web")

    assert asyncio.run(steps(FakeManager(), {"web": {"phase": "attached"}}, burst)) == ["web"]


def test_what_could_not_be_sent_is_sent_later() -> None:
    manager = FakeManager()
    manager.failing = 2
    documents: Documents = {"web": {"phase": "attached"}, "db": {"phase": "missing"}}
    sent = asyncio.run(steps(manager, documents, lambda r: [r.changed("web"), r.changed("db")]))
    assert sorted(sent) == ["db", "web"]


def test_a_workload_that_is_not_ours_any_more_is_not_reported() -> None:
    assert asyncio.run(steps(FakeManager(), {}, lambda r: r.changed("web"))) == []


def test_many_changes_share_requests() -> None:
    documents: Documents = {f"w{number}": {"phase": "attached"} for number in range(2 * BATCH + 1)}
    manager = FakeManager()
    sent = asyncio.run(steps(manager, documents, lambda r: [r.changed(name) for name in documents]))
    assert sent == list(documents)
    assert manager.batches == [BATCH, BATCH, 1]


def test_a_change_while_its_status_is_on_its_way_is_sent_again() -> None:
    documents: Documents = {"web": {"phase": "attached"}}

    class Slow(FakeManager):
        async def put_statuses(self, host: str, statuses: Mapping[str, Mapping[str, Any]]) -> None:
            if not self.statuses:
                reporters[0].changed("web")
            await super().put_statuses(host, statuses)

    def change(reporter: Reporter) -> None:
        reporters.append(reporter)
        reporter.changed("web")

    reporters: list[Reporter] = []
    sent = asyncio.run(steps(Slow(), documents, change))
    assert sent == ["web", "web"]


def test_what_the_manager_keeps_is_said_once_and_again_after_a_change() -> None:
    documents: Documents = {"web": {"counters": 1, "hardware": {"driver": "veth"}}}
    manager = FakeManager()

    def later(reporter: Reporter) -> None:
        documents["web"]["counters"] += 1
        reporter.refresh("web")

    def other(reporter: Reporter) -> None:
        documents["web"]["hardware"] = {"driver": "tun"}
        reporter.refresh("web")

    asyncio.run(
        steps(manager, documents, lambda r: r.refresh("web"), later, other, lambda r: r.changed("web"))
    )
    said = [document.get("hardware") for _, document in manager.statuses]
    assert said == [{"driver": "veth"}, None, {"driver": "tun"}, {"driver": "tun"}]
