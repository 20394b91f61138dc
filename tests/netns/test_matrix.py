"""Delay and loss by protocol, IP version and direction; correlation and burst lengths on real packets.

Seeds are fixed, neighbours permanent. Distributions are rejected at 0.001; what path, stacks and timers of
the machine add cancels out in a difference.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, ping_ms, tcp_bits_per_s, wait_until
from lab.namespaces import Workload
from lab.traffic import delays_ms, exchange
from numpy.typing import NDArray
from scipy import stats

from netpersona.datapath import LaneStats

pytestmark = pytest.mark.netns

SIGNIFICANCE = 0.001
DELAY_MS = 20
DIRECTIONS = pytest.mark.parametrize("direction", ["egress", "ingress"])
families = pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
_ports = itertools.count(46000)


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


def udp_ms(host: AttachedHost, ipv6: bool) -> float:
    """Median round trip of a datagram: one way there and one way back."""
    one_way = [
        flow(host.subject, host.peer, count=60, interval_s=0.005, ipv6=ipv6),
        flow(host.peer, host.subject, count=60, interval_s=0.005, ipv6=ipv6, number=1),
    ]
    return float(sum(np.median(delays_ms(records)) for records in exchange(one_way)))


def icmp_ms(host: AttachedHost, ipv6: bool) -> float:
    return float(np.median(ping_ms(host.subject, _address(host.peer, ipv6), count=20)))


def tcp_ms(host: AttachedHost, ipv6: bool) -> float:
    """Median round trip of a byte and its echo on an open connection."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    here = (_address(host.peer, ipv6), next(_ports))
    with host.peer.namespace.call(lambda: socket.create_server(here, family=family)) as server:
        server.settimeout(5)
        echo = threading.Thread(target=_echo, args=(server,))
        echo.start()
        with host.subject.namespace.call(lambda: socket.create_connection(here, timeout=5)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            took = [_round_trip_ms(client) for _ in range(20)]
        echo.join()
    return float(np.median(took))


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.settimeout(5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(64):
            connection.sendall(data)


def _round_trip_ms(client: socket.socket) -> float:
    begin = time.perf_counter()
    client.sendall(b"x")
    client.recv(1)
    return (time.perf_counter() - begin) * 1000


def _address(workload: Workload, ipv6: bool) -> str:
    return workload.ipv6 if ipv6 else workload.ipv4


PROTOCOLS: dict[str, Callable[[AttachedHost, bool], float]] = {"tcp": tcp_ms, "udp": udp_ms, "icmp": icmp_ms}


@DIRECTIONS
@families
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_gets_the_delay_of_its_direction(
    host: AttachedHost, protocol: str, ipv6: bool, direction: str
) -> None:
    """Twice the delay takes the delay longer: path, stacks and timers cancel out."""
    measure = PROTOCOLS[protocol]
    took = []
    for latency_ms in (DELAY_MS, 2 * DELAY_MS):
        host.put_on({direction: {"latency": f"{latency_ms}ms"}})
        took.append(measure(host, ipv6))
    assert took[0] >= DELAY_MS
    assert took[1] - took[0] == pytest.approx(DELAY_MS, rel=0.05)


@DIRECTIONS
@families
def test_tcp_segments_are_lost_as_asked(host: AttachedHost, direction: str, ipv6: bool) -> None:
    """By the engine's books, in segments. That they are true is shown by the numbered datagrams."""
    host.put_on({"seed": 9, direction: {"loss": "0.5%"}})
    before = _lane(host, direction)
    reverse = direction == "ingress"
    assert tcp_bits_per_s(host.subject, host.peer, seconds=1, reverse=reverse, ipv6=ipv6) > 1e6
    wait_until(lambda: _books_agree(_lane(host, direction)), timeout_s=2, what="the last segment")
    after = _lane(host, direction)
    received, lost = after.received - before.received, after.lost - before.lost
    assert received > 2000
    assert stats.binomtest(lost, received, 0.005).pvalue > SIGNIFICANCE


def _lane(host: AttachedHost, direction: str) -> LaneStats:
    observed = host.datapath.observe(host.attachments[host.subject.host_interface])
    stats: LaneStats = getattr(observed, f"{direction}_lane")
    return stats


def _books_agree(lane: LaneStats) -> bool:
    return lane.held == 0 and lane.received == lane.emitted + lane.lost


def one_way_ms(host: AttachedHost, direction: str, count: int, interval_s: float) -> NDArray[np.float64]:
    """Delays in the order of sending. None may be missing."""
    ends = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    records = exchange([flow(*ends, count=count, interval_s=interval_s)])[0]
    assert len(records) == count
    return delays_ms(records)[np.argsort(records["sequence"])]


@DIRECTIONS
def test_jitter_is_correlated_as_asked_where_order_is_free(host: AttachedHost, direction: str) -> None:
    """Pearson correlation of uniforms under a Gaussian copula of 0.5 is 6/π·asin(0.25); 4 standard errors."""
    count = 1_500
    link = {"latency": "20ms", "jitter": "10ms", "order": "free"}
    expected = 6 / np.pi * np.arcsin(0.25)
    for correlation, wanted in ((0.0, 0.0), (0.5, expected)):
        host.put_on({"seed": 21, direction: {**link, "correlation": correlation}})
        delays = one_way_ms(host, direction, count, 0.001)
        assert _lag_one(delays) == pytest.approx(wanted, abs=4 / np.sqrt(count))


@DIRECTIONS
def test_jitter_is_correlated_as_asked_where_order_is_kept(host: AttachedHost, direction: str) -> None:
    """Packets far apart draw independently without a correlation, and are tied with one.

    By ranks: what a busy machine adds to a few packets must not rule the outcome.
    """
    link = {"latency": "5ms", "jitter": "1ms", "distribution": "normal"}
    found = []
    for correlation in (0.0, 0.8):
        host.put_on({"seed": 22, direction: {**link, "correlation": correlation}})
        found.append(_lag_one(one_way_ms(host, direction, 200, 0.012), by=stats.spearmanr))
    assert abs(found[0]) < 4 / np.sqrt(200)
    assert found[1] > 0.45


def _lag_one(series: NDArray[np.float64], by: Callable[..., Any] = stats.pearsonr) -> float:
    return float(by(series[:-1], series[1:]).statistic)


@DIRECTIONS
@families
def test_four_state_loss_has_the_bursts_asked_for(host: AttachedHost, direction: str, ipv6: bool) -> None:
    """Runs of losses: alone (state 4), or a burst whose length is geometric with p31 + p32."""
    count = 12_000
    p13, p31, p32, p23, p14 = 0.02, 0.20, 0.20, 0.40, 0.02
    model = {"model": "four_state", "p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}
    host.put_on({"seed": 23, direction: {"loss": model}})
    ends = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    records = exchange([flow(*ends, count=count, interval_s=0.001, burst=10, ipv6=ipv6)])[0]
    lost = np.ones(count, dtype=bool)
    lost[records["sequence"].astype(int)] = False
    # Starts of runs by stationary weight: 1→4 alone; 1→3 and 2→3 a burst.
    alone, burst = p31 * p23 * p14, p31 * p23 * p13 + p13 * p32 * p23
    share = burst / (alone + burst)
    stay = 1 - p31 - p32
    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(int), [0]))))
    lengths = edges[1::2] - edges[0::2]
    expected = np.array([share * stay ** (k - 1) * (1 - stay) for k in range(1, 7)] + [share * stay**6])
    expected[0] += 1 - share
    observed = [np.count_nonzero(lengths == k) for k in range(1, 7)] + [np.count_nonzero(lengths >= 7)]
    assert stats.chisquare(observed, expected * len(lengths)).pvalue > SIGNIFICANCE
