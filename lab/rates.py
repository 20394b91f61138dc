"""A bandwidth limit under TCP: how exact it is and what it costs the engine."""

from __future__ import annotations

from collections.abc import Iterator

from lab.attached_host import AttachedHost
from lab.measure import cpu_s, tcp_bits_per_s
from lab.rows import Figure

FRAME, PAYLOAD = 1514, 1448  # bytes of a full segment: Ethernet, and TCP with its time stamps
SECONDS = 4.0


def rate_figures(host: AttachedHost) -> Iterator[Figure]:
    """TCP through a bandwidth limit, GSO on."""
    host.put_on({"egress": {"bandwidth": "100mbit"}})
    goodput = tcp_bits_per_s(host.subject, host.peer, seconds=5, omit=1)
    yield Figure("100 Mbit/s limit, error", abs(goodput * FRAME / PAYLOAD / 1e8 - 1) * 100, "%", upper=0.5)
    delayed = _engine_percent_of_gigabit(host, {"egress": {"latency": "1ms"}})
    limited = _engine_percent_of_gigabit(host, {"egress": {"bandwidth": "1gbit"}})
    yield Figure(
        "1 Gbit/s limit under TCP, engine",
        limited,
        "% of a core",
        upper=25,
        peer=f"a delay of 1 ms alone {delayed:.3g} % for 1 Gbit/s",
    )


def _engine_percent_of_gigabit(host: AttachedHost, persona: dict[str, dict[str, str]]) -> float:
    """CPU time of the engine for each second in which TCP carried 1 Gbit, by what it carried."""
    host.put_on(persona)
    before = cpu_s(host.engine.pid)
    carried = tcp_bits_per_s(host.subject, host.peer, seconds=SECONDS) * SECONDS
    return (cpu_s(host.engine.pid) - before) / (carried / 1e9) * 100
