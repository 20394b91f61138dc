"""Assignments that go back by themselves: whoever is dead, and at once where a probe says so."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from lab.instance import Instance, eventually, instance
from lab.measure import settle_neighbours
from lab.namespaces import Lab, Namespace, lab

from netpersona.datapath import EndpointMissing, Origin, Unanswered, reach
from netpersona.kinds.probe import parse_probe

pytestmark = pytest.mark.netns

SHUT = {"persona_id": "shut", "default_action": "drop"}
LAG = {"persona_id": "lag", "egress": {"latency": "5ms"}}
NOBODY = "10.77.0.250"


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture(scope="module")
def product(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        made.command("up")
        settle_neighbours(network.workloads)
        made.add(network.workloads[0])
        for persona in (SHUT, LAG, {"persona_id": "calm"}):
            made.define(persona)
        yield made


@pytest.fixture(autouse=True)
def calm(product: Instance) -> None:
    product.command("up")
    product.assign("calm")


def passes(network: Lab) -> bool:
    """Whether a datagram of the workload reaches its peer."""
    subject, peer = network.workloads
    with (
        closing(peer.namespace.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))) as there,
        closing(subject.namespace.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))) as here,
    ):
        there.bind((peer.ipv4, 0))
        there.settimeout(0.1)
        here.sendto(b"?", there.getsockname())
        try:
            return bool(there.recv(1))
        except TimeoutError:
            return False


def worn(product: Instance) -> str:
    return str(product.request("GET", "/v1/workloads/web")["assignment"]["persona_id"])


@pytest.mark.parametrize("killed", [(), ("agent",), ("manager",), ("manager", "agent", "engine")])
def test_it_goes_back_whoever_is_killed(product: Instance, network: Lab, killed: tuple[str, ...]) -> None:
    product.assign("shut", confirm_within="2s")
    for role in killed:
        product.kill(role)
    if killed != ("manager", "agent", "engine"):
        assert not passes(network)  # killing three may take as long as it lasts
    eventually(lambda: passes(network))
    product.command("up")
    eventually(lambda: worn(product) == "calm")
    reverted = product.request("GET", "/v1/workloads/web")["reverted"]
    assert (reverted["persona_id"], reverted["reason"]) == ("shut", "not confirmed in time")
    assert passes(network)


def test_it_stays_once_it_is_confirmed_and_the_agent_killed(product: Instance, network: Lab) -> None:
    product.assign("shut", confirm_within="3s")
    began = time.monotonic()
    confirmed = product.request("POST", "/v1/workloads/web/confirm?wait=10s")
    assert confirmed["status"]["applied_sequence"] == confirmed["sequence"]
    product.kill("agent")
    while time.monotonic() < began + 3.3:
        assert not passes(network), "no glimpse of another"
    product.command("up")
    assert worn(product) == "shut"
    assert not passes(network)


def test_a_probe_that_answers_confirms(product: Instance, network: Lab) -> None:
    said = product.command(
        "assign", "web", "lag", "--confirm-within", "30s", "--probe", f"ping:{network.workloads[1].ipv4}"
    )
    assert "confirmed: ping:" in said.stderr
    workload = product.request("GET", "/v1/workloads/web")
    assert (workload["assignment"]["persona_id"], workload["assignment"]["expires_at"]) == ("lag", None)


def test_a_probe_that_fails_goes_back_at_once(product: Instance, network: Lab) -> None:
    """Long before the deadline; the persona is what cuts the workload off."""
    probe = f"tcp:{network.workloads[1].ipv4}:9"
    said = product.command("assign", "web", "shut", "--confirm-within", "10m", "--probe", probe, check=False)
    assert said.returncode == 1
    assert f"went back by itself: {probe} failed: no answer within 1 s" in said.stderr
    assert "calm" in product.command("get", "workloads").stdout
    assert passes(network)


def test_a_probe_that_fails_goes_back_without_a_manager(product: Instance, network: Lab) -> None:
    product.assign("shut", confirm_within="10m", probe=f"ping:{NOBODY}")
    product.kill("manager")
    eventually(lambda: passes(network))
    product.kill("agent")
    product.command("up")
    eventually(lambda: product.status().get("persona_id") == "calm")
    assert passes(network), "nor does it come back with the next agent"


# ---- what a probe asks ---------------------------------------------------------------------------


@contextmanager
def serving(namespace: Namespace, answer: bytes) -> Iterator[int]:
    """A server of one answer to each connection; its port."""
    with closing(namespace.call(lambda: socket.create_server(("", 0)))) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    try:
                        connection.sendall(answer)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def asked(network: Lab, text: str, interface: str = "eth0") -> str:
    """ "" where it answered, else why not; from the first workload."""
    origin = Origin(network.workloads[0].namespace.path, interface)
    try:
        reach(parse_probe(text), origin, timeout_s=0.5)
    except Unanswered as error:
        return str(error)
    return ""


@pytest.mark.parametrize("groups", ["1 0", "0 100"])
def test_a_ping_is_answered_whether_datagram_sockets_may_or_not(network: Lab, groups: str) -> None:
    subject, peer = network.workloads
    subject.namespace.run("sysctl", "-qw", f"net.ipv4.ping_group_range={groups}")
    assert asked(network, f"ping:{peer.ipv4}") == ""
    assert asked(network, f"ping:{peer.ipv6}") == ""
    assert asked(network, f"ping:{NOBODY}") == "no answer within 0.5 s"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.0 301 Moved\r\nLocation: http://192.0.2.1/\r\n\r\n", ""),
        (b"HTTP/1.1 503 No\r\n\r\n", "HTTP status 503"),
        (b"SSH-2.0-x\r\n", "the answer is not HTTP"),
        (b"", "the answer is not HTTP"),
        (b"x" * 100_000, "the answer is not HTTP"),
    ],
)
def test_the_status_of_a_page_counts(network: Lab, answer: bytes, problem: str) -> None:
    peer = network.workloads[1]
    with serving(peer.namespace, answer) as port:
        assert asked(network, f"http://{peer.ipv4}:{port}/health") == problem
        assert asked(network, f"tcp:{peer.ipv4}:{port}") == ""
    assert asked(network, f"tcp:{peer.ipv4}:{port}") == "connection refused"


def test_a_page_that_dribbles_does_not_hold_up(network: Lab) -> None:
    peer = network.workloads[1]
    with closing(peer.namespace.call(lambda: socket.create_server((peer.ipv4, 0)))) as silent:
        port = silent.getsockname()[1]
        assert asked(network, f"http://{peer.ipv4}:{port}/") == "no answer within 0.5 s"


def test_a_probe_takes_the_interface_of_the_workload(network: Lab) -> None:
    peer = network.workloads[1]
    assert asked(network, f"ping:{peer.ipv4}", "eth9") == "there is no interface eth9"
    assert asked(network, f"ping:{peer.ipv4}", "lo") != ""
    with pytest.raises(EndpointMissing):
        reach(parse_probe(f"ping:{peer.ipv4}"), Origin(network.host.path.with_name("np-none")), timeout_s=0.5)


def test_what_only_the_host_can_ask_must_be_behind_the_interface(network: Lab) -> None:
    subject = network.workloads[0]
    network.host.run("ip", "address", "add", "10.77.0.254/24", "dev", network.bridge)
    with network.host.entered():
        behind = socket.if_nametoindex(subject.host_interface)
        reach(parse_probe(f"ping:{subject.ipv4}"), Origin(behind=behind), timeout_s=0.5)
        with pytest.raises(Unanswered, match="name an address of the workload itself"):
            reach(parse_probe("ping:192.0.2.1"), Origin(behind=behind), timeout_s=0.5)
