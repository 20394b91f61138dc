"""What the manager's lists and watches cost with a thousand of everything, and a persona that many follow."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from lab.rows import Figure
from netpersona.control import Service
from netpersona.control.http.streams import Text
from netpersona.control.identity.calls import Call
from netpersona.control.models import NewWorkload
from netpersona.control.preconditions import Precondition
from netpersona.control.store.sqlite import SqliteStore
from netpersona.control.watch.feed import Message
from netpersona.control.watch.sources import HOST_FEED
from netpersona.kinds.workload import AssignmentRequest

CROWD: Final = 1_000
FOLLOWERS: Final = 300
RUNS: Final = 5
_ANYHOW: Final = Call(condition=Precondition(if_match="*"))


def listing_rows() -> Iterator[Figure]:
    """No root, no sockets: the service and its store, as the manager's process has them."""
    with TemporaryDirectory() as directory:
        yield from asyncio.run(_watches(Path(directory) / "crowd.db"))
        yield from asyncio.run(_following(Path(directory) / "followed.db"))


async def _watches(path: Path) -> list[Figure]:
    """Each of a thousand workloads follows a persona of its own."""
    service = Service(SqliteStore(path))
    for number in range(CROWD):
        await service.personas.create(_persona(f"p{number}", 5 + number % 100))
        await _add(service, f"w{number}", f"p{number}")
    first = _open_ms(service, "personas")
    opened = {
        topic: min(_open_ms(service, topic) for _ in range(RUNS)) for topic in ("personas", "workloads")
    }
    hosted = min(_open_ms(service, HOST_FEED, "local") for _ in range(RUNS))
    service.close()
    what = f"opening a watch on {CROWD:,} personas and {CROWD:,} workloads"
    return [
        Figure(f"{what}: personas, the first", first, "ms", upper=10),
        Figure(f"{what}: personas, the next", opened["personas"], "ms", upper=10),
        Figure(f"{what}: workloads", opened["workloads"], "ms"),
        Figure(f"{what}: those of a host", hosted, "ms"),
    ]


def _open_ms(service: Service, topic: str, part: str = "") -> float:
    """Until the last line of what is there could be sent."""
    gc.collect()
    begin = time.perf_counter()
    subscription = service.feed.watch(topic, None, part)
    text, size = Text(lambda message: message.body), 0
    for message in subscription.take_now():
        size += _length(text, message)
    took = (time.perf_counter() - begin) * 1e3
    subscription.close()
    assert size > 100 * CROWD
    return took


def _length(text: Text, message: Message) -> int:
    lengths: list[int] = []

    def take(data: bytes) -> bool:
        lengths.append(len(data))
        return True

    text.give(message, take)
    return lengths[0]


async def _following(path: Path) -> list[Figure]:
    """All on one host, whose agent follows; the persona is as big as one may reasonably be."""
    service = Service(SqliteStore(path))
    await service.personas.create(_large(5))
    for number in range(FOLLOWERS):
        await _add(service, f"w{number}", "followed")
    watch = service.feed.watch(HOST_FEED, None, "local")
    await watch.take()
    took: list[float] = []
    before_kib = _resident_kib()
    for number in range(6, RUNS + 6):
        begin = time.perf_counter()
        await service.personas.replace("followed", _large(number), _ANYHOW)
        took.append((time.perf_counter() - begin) * 1e3)
        told = await watch.take()
        assert len(told) == FOLLOWERS
        took[-1] += _written_ms(told)
    grown = (_resident_kib() - before_kib) / RUNS
    service.close()
    what = f"a persona with {FOLLOWERS} followers replaced"
    return [
        Figure(f"{what}, all lines for its agent made", min(took), "ms", upper=20),
        Figure(f"{what}, memory for each replacement", grown, "KiB", upper=2048),
    ]


def _written_ms(told: Sequence[Message]) -> float:
    text, begin = Text(lambda message: message.body), time.perf_counter()
    for message in told:
        _length(text, message)
    return (time.perf_counter() - begin) * 1e3


async def _add(service: Service, name: str, persona: str) -> None:
    wanted = NewWorkload(
        workload_id=name, kind="vm", interface="tap0", persona=AssignmentRequest(persona_id=persona)
    )
    await service.assignments.create(wanted)


def _persona(name: str, latency_ms: int) -> dict[str, Any]:
    link = {"latency": f"{latency_ms}ms", "jitter": "1ms", "loss": "1%"}
    return {"persona_id": name, "description": f"Number {latency_ms}", "egress": link, "ingress": link}


def _large(number: int) -> dict[str, Any]:
    """Half as many rules as there may be, which is some milliseconds of reading and compiling."""
    rules = [
        {"protocol": "tcp", "source": f"10.{rule}.0.0/16", "port": f"{rule + 1}-{rule + 9}", "action": "drop"}
        for rule in range(64)
    ]
    return {**_persona("followed", number), "mtu": 1300 + number, "filtering_rules": rules}


def _resident_kib() -> int:
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


if __name__ == "__main__":
    for row in listing_rows():
        print(f"{row.what}: {row.measured} {row.bound}")
