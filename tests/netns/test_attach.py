"""Attaching and detaching, beside what others have put on an interface, and what is left afterwards."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from lab.crowd import FRAME
from lab.namespaces import Lab, lab

from netpersona.datapath import (
    DETOUR_TAP,
    EndpointMissing,
    EndpointUnsupported,
    Facing,
    Incompatible,
    KernelDatapath,
    KernelRefused,
    NotAttached,
    WaysIn,
    find_attachment,
    remove,
)
from netpersona.datapath.programs.kernel import map_pin
from netpersona.kinds.persona import CompiledPersona, compile_persona, from_mapping

pytestmark = pytest.mark.netns

mechanisms = pytest.mark.parametrize(
    "tcx", [pytest.param(True, id="tcx"), pytest.param(False, id="clsact", marks=pytest.mark.vm)]
)


def compiled(**persona: object) -> CompiledPersona:
    return compile_persona(from_mapping({"persona_id": "t", **persona}))


def traces(network: Lab) -> dict[str, str]:
    """What there is in the host namespace that somebody could have left behind."""
    run = network.host.run
    links = json.loads(run("ip", "-j", "link").stdout)
    qdiscs = json.loads(run("tc", "-j", "qdisc").stdout)
    filters = [
        run("tc", "filter", "show", "dev", link["ifname"], hook, check=False).stdout
        for link in links
        for hook in ("ingress", "egress")
    ]
    return {
        "links": str(sorted(link["ifname"] for link in links)),
        "qdiscs": str(sorted((qdisc["dev"], qdisc["kind"]) for qdisc in qdiscs)),
        "filters": str(filters),
        "programs": run("bpftool", "net").stdout,
    }


def pings(network: Lab) -> bool:
    first, second = network.workloads
    return first.namespace.run("ping", "-c1", "-W1", second.ipv4, check=False).returncode == 0


@pytest.fixture
def run_dir(network: Lab, tmp_path: Path) -> Iterator[Path]:
    """Whatever a test forgets would keep programs alive: the bpffs goes in any case."""
    yield tmp_path
    with network.host.entered():
        KernelDatapath.open(tmp_path).destroy()


@mechanisms
def test_nothing_is_left_behind(network: Lab, run_dir: Path, tcx: bool) -> None:
    before = traces(network)
    datapath = KernelDatapath.open(run_dir, tcx=tcx)
    attachment = datapath.attach("w0", Facing.WORKLOAD)
    datapath.switch(attachment, datapath.install(compiled(default_action="drop")))
    assert not pings(network)
    assert traces(network) != before
    datapath.destroy()
    assert traces(network) == before
    assert pings(network)
    assert list(run_dir.iterdir()) == []


@mechanisms
def test_detaching_takes_off_that_interface_alone(network: Lab, run_dir: Path, tcx: bool) -> None:
    datapath = KernelDatapath.open(run_dir, tcx=tcx)
    first, second = (datapath.attach(name, Facing.WORKLOAD) for name in ("w0", "w1"))
    before = network.host.run("tc", "qdisc", "show", "dev", "w1").stdout
    datapath.switch(second, datapath.install(compiled(default_action="drop")))
    datapath.detach(first)
    datapath.detach(first)
    assert [entry.interface for entry in datapath.attached()] == ["w1"]
    assert "clsact" not in network.host.run("tc", "qdisc", "show", "dev", "w0").stdout
    assert network.host.run("tc", "qdisc", "show", "dev", "w1").stdout == before
    assert not pings(network)


@mechanisms
def test_foreign_qdiscs_and_filters_stay(network: Lab, run_dir: Path, tcx: bool) -> None:
    run = network.host.run
    run("tc", "qdisc", "add", "dev", "w0", "clsact")
    run("tc", "filter", "add", "dev", "w0", "ingress", "pref", "7", "matchall", "action", "ok", check=False)
    run("tc", "qdisc", "add", "dev", "w0", "root", "tbf", "rate", "1gbit", "burst", "1mb", "limit", "1mb")
    before = traces(network)
    datapath = KernelDatapath.open(run_dir, tcx=tcx)
    attachment = datapath.attach("w0", Facing.WORKLOAD)
    datapath.switch(attachment, datapath.install(compiled(default_action="drop")))
    datapath.destroy()
    assert traces(network) == before


def test_removing_takes_our_filters_off_a_qdisc_of_somebody_else(network: Lab, run_dir: Path) -> None:
    """As `down` does with pins of another version, which cannot be opened."""
    run = network.host.run
    run("tc", "qdisc", "add", "dev", "w0", "clsact")
    datapath = KernelDatapath.open(run_dir, tcx=False)
    program = str(datapath.pins / "prog_np_probe")
    run("tc", "filter", "add", "dev", "w0", "egress", "pref", "7", "bpf", "da", "object-pinned", program)
    datapath.switch(datapath.attach("w0", Facing.WORKLOAD), datapath.install(compiled(default_action="drop")))
    datapath.close()
    remove(run_dir)
    left = "".join(run("tc", "filter", "show", "dev", "w0", side).stdout for side in ("ingress", "egress"))
    assert "pref 7" in left
    assert "pref 20048" not in left


def test_a_qdisc_of_ours_stays_if_somebody_uses_it_meanwhile(network: Lab, run_dir: Path) -> None:
    datapath = KernelDatapath.open(run_dir, tcx=False)
    attachment = datapath.attach("w0", Facing.WORKLOAD)
    add = ("tc", "filter", "add", "dev", "w0", "egress", "pref", "7", "bpf", "da", "object-pinned")
    network.host.run(*add, str(datapath.pins / "prog_np_probe"))
    datapath.detach(attachment)
    filters = network.host.run("tc", "filter", "show", "dev", "w0", "egress").stdout
    assert "pref 7" in filters
    assert "pref 20048" not in filters


@mechanisms
def test_another_process_adopts_what_is_pinned(network: Lab, run_dir: Path, tcx: bool) -> None:
    first = KernelDatapath.open(run_dir, tcx=tcx)
    attachment = first.attach("w0", Facing.WORKLOAD)
    persona = compiled(default_action="drop")
    slot = first.install(persona)
    generation = first.switch(attachment, slot)
    first.close()
    assert not pings(network), "enforced while nobody is there"
    second = KernelDatapath.open(run_dir, tcx=tcx)
    assert [entry.attachment for entry in second.attached()] == [attachment]
    assert second.binding(attachment).generation == second.generations()[attachment] == generation
    assert second.install(persona) == slot
    assert second.attach("w0", Facing.WORKLOAD) == attachment
    assert not pings(network)


def stand_in(network: Lab, pin: Path) -> None:
    """A map of another layout."""
    create = ("bpftool", "map", "create", str(pin), "type", "array", "key", "4", "value", "8")
    network.host.run(*create, "entries", "1", "name", "other")


def test_pins_of_another_layout_are_refused_and_can_be_removed(network: Lab, run_dir: Path) -> None:
    before = traces(network)
    datapath = KernelDatapath.open(run_dir)
    pin = map_pin(run_dir, "lanes")
    datapath.close()
    pin.unlink()
    (datapath.pins / "prog_np_probe").unlink()  # or nothing would be loaded, and nothing compared
    stand_in(network, pin)
    with pytest.raises(Incompatible, match=r"lanes_v\d+ was made by another version.*netpersona down"):
        KernelDatapath.open(run_dir)
    remove(run_dir)
    assert traces(network) == before


@pytest.mark.parametrize("other", ["bindings", "bindings_v2", "flows_v99"])
def test_what_another_build_enforces_is_refused(network: Lab, run_dir: Path, other: str) -> None:
    before = traces(network)
    datapath = KernelDatapath.open(run_dir)
    datapath.close()
    stand_in(network, datapath.pins / other)
    with pytest.raises(Incompatible, match=rf"{other} was made by another version.*netpersona down"):
        KernelDatapath.open(run_dir)
    assert map_pin(run_dir, "counters").exists(), "nothing is half done"
    remove(run_dir)
    assert traces(network) == before


def test_a_layout_of_counts_that_changed_starts_them_anew_and_enforcement_goes_on(
    network: Lab, run_dir: Path
) -> None:
    first = KernelDatapath.open(run_dir)
    attachment = first.attach("w0", Facing.WORKLOAD)
    generation = first.switch(attachment, first.install(compiled(default_action="drop")))
    assert not pings(network)
    assert first.observe(attachment).egress.dropped_default.packets
    first.close()
    counters = map_pin(run_dir, "counters")
    counters.rename(counters.with_name("counters_v1"))  # as an older build had it
    second = KernelDatapath.open(run_dir)
    assert not counters.with_name("counters_v1").exists()
    assert second.binding(attachment).generation == generation
    assert not second.observe(attachment).egress.dropped_default.packets
    assert not pings(network)
    assert second.observe(attachment).egress.dropped_default.packets


def test_interfaces_of_one_hint_keep_their_own_personas(network: Lab, run_dir: Path) -> None:
    """Their indices differ by NP_HINTS (bpf/maps.h)."""
    indices, datapath = (60_001, 60_001 + 4096), KernelDatapath.open(run_dir)
    for ifindex in indices:
        pair = (f"h{ifindex}", "up", "index", str(ifindex), "type", "veth", "peer", "name", f"p{ifindex}")
        network.host.run("ip", "link", "add", *pair)
        network.host.run("ip", "link", "set", f"p{ifindex}", "up")
    dropping, passing = (datapath.attach(f"h{ifindex}", Facing.WORKLOAD) for ifindex in indices)
    datapath.switch(dropping, datapath.install(compiled(default_action="drop")))
    datapath.switch(passing, datapath.install(compiled(qos_priority=9)))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        for _ in range(10):
            for ifindex in indices:
                raw.sendto(FRAME, (f"p{ifindex}", 0))
    counted = [datapath.observe(attachment).egress for attachment in (dropping, passing)]
    assert counted[0].dropped_default.packets >= 10
    assert counted[0].passed.packets < 10, "neighbour discovery passes"
    assert counted[1].passed.packets >= 10
    assert counted[1].dropped_default.packets == 0


class Dying:
    """The kernel part for an agent that ends at one of its calls: before it, or with it done."""

    def __init__(self, kernel: Any, calls: int, *, done: bool) -> None:
        self._kernel, self._calls, self._done = kernel, calls, done

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._kernel, name)
        return self._dying(found) if name in ("detach", "strike", "end") else found

    def _dying(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any) -> Any:
            self._calls -= 1
            if self._calls == 0 and not self._done:
                raise OSError(errno.EIO, "as if killed")
            answer = call(*arguments)
            if self._calls == 0:
                raise OSError(errno.EIO, "as if killed")
            return answer

        return instead


@pytest.fixture(scope="module")
def standing() -> Iterator[Lab]:
    """A network for tests that leave it as they found it."""
    with lab() as built, built.host.entered():
        yield built


@pytest.fixture(scope="module", params=[True, False], ids=["tcx", "clsact"])
def opened(
    standing: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], KernelDatapath]]:
    """One directory of pins, opened as often as wanted."""
    directory = tmp_path_factory.mktemp("run")
    first = KernelDatapath.open(directory, tcx=request.param)
    yield lambda: KernelDatapath.open(directory, tcx=request.param)
    with standing.host.entered():
        first.destroy()


@pytest.mark.parametrize("done", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("calls", range(1, 5))
def test_a_detachment_cut_short_is_finished_by_the_same_agent_or_the_next(
    standing: Lab, opened: Callable[[], KernelDatapath], calls: int, done: bool
) -> None:
    datapath, clean = opened(), traces(standing)
    for again in (False, True):
        attachment = datapath.attach("w0", Facing.WORKLOAD)
        datapath.switch(attachment, datapath.install(compiled(default_action="drop")))
        kernel = datapath._open
        datapath._kernel = cast("Any", Dying(kernel, calls, done=done))
        with pytest.raises(KernelRefused):
            datapath.detach(attachment)
        datapath._kernel = kernel
        if again:
            datapath.close()
            datapath = opened()
        assert [entry.interface for entry in datapath.attached()] in ([], ["w0"])
        assert bool(datapath.attached()) or (calls, done) == (4, True), "it is known that there is more to do"
        datapath.detach(attachment)
        assert datapath.attached() == []
        assert traces(standing) == clean
        assert not list(datapath.pins.glob(f"link_{attachment}_*"))
    assert pings(standing)
    datapath.close()


def test_the_interface_may_go_first(network: Lab, run_dir: Path) -> None:
    datapath = KernelDatapath.open(run_dir)
    attachment = datapath.attach("w0", Facing.WORKLOAD)
    network.host.run("ip", "link", "del", "w0")
    assert [entry.interface for entry in datapath.attached()] == [None]
    datapath.detach(attachment)
    assert datapath.attached() == []
    with pytest.raises(NotAttached):
        datapath.switch(attachment, 0)


def test_an_interface_that_is_not_there_is_missing(run_dir: Path) -> None:
    datapath = KernelDatapath.open(run_dir)
    with pytest.raises(EndpointMissing, match="no interface nope"):
        datapath.attach("nope", Facing.WORKLOAD)


def test_the_host_itself_can_be_the_workload(network: Lab, run_dir: Path) -> None:
    """Facing the network, what the host sends leaves by the interface."""
    network.host.run("ip", "address", "add", "10.77.0.254/24", "dev", network.bridge)
    datapath = KernelDatapath.open(run_dir)
    attachment = datapath.attach(network.bridge, Facing.NETWORK)
    datapath.switch(attachment, datapath.install(compiled(security_profile="restricted")))
    workload = network.workloads[0]
    ping = ("ping", "-c1", "-W1")
    assert network.host.run(*ping, workload.ipv4, check=False).returncode == 0
    assert workload.namespace.run(*ping, "10.77.0.254", check=False).returncode != 0


def test_a_workload_in_a_namespace_is_found_by_its_veth(network: Lab) -> None:
    workload = network.workloads[1]
    found = find_attachment(workload.namespace.name, interface="eth0")
    assert (found.interface, found.facing) == ("w1", Facing.WORKLOAD)
    assert find_attachment(str(workload.namespace.path), interface="eth0") == found
    assert find_attachment(interface="w1") == found
    assert find_attachment(interface=network.bridge).facing == Facing.NETWORK


def test_what_cannot_be_found_says_why(network: Lab) -> None:
    first, second = network.workloads
    with pytest.raises(EndpointMissing, match="no network namespace nowhere"):
        find_attachment("nowhere", interface="eth0")
    with pytest.raises(EndpointMissing, match="no interface eth9"):
        find_attachment(first.namespace.name, interface="eth9")
    with pytest.raises(EndpointUnsupported, match="not a veth"):
        find_attachment(first.namespace.name, interface="lo")
    with second.namespace.entered(), pytest.raises(EndpointUnsupported, match="not in the agent's"):
        find_attachment(first.namespace.name, interface="eth0")


def test_the_default_route_is_refused_and_workloads_on_its_bridge_are_not(network: Lab) -> None:
    run = network.host.run
    run("ip", "address", "add", "10.77.0.254/24", "dev", network.bridge)
    assert WaysIn().reason(network.bridge) is None
    run("ip", "route", "add", "default", "via", "10.77.0.1")
    assert WaysIn().reason(network.bridge) == "carries the default route"
    assert WaysIn().reason("w0") is None


def test_the_way_to_a_login_is_refused(network: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    network.host.run("ip", "address", "add", "10.77.0.254/24", "dev", network.bridge)
    monkeypatch.setenv("SSH_CONNECTION", "10.77.0.1 50000 10.77.0.254 22")
    assert WaysIn().reason(network.bridge) == "carries the login from 10.77.0.1"


def test_own_interfaces_have_no_addresses(network: Lab, run_dir: Path) -> None:
    KernelDatapath.open(run_dir)
    shown = json.loads(network.host.run("ip", "-j", "address", "show", "dev", DETOUR_TAP).stdout)
    assert shown[0]["addr_info"] == []
    assert shown[0]["txqlen"] == 16384
