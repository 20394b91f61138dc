from __future__ import annotations

import pytest

from netpersona.host.domains import Domain, Nic, NoSuchNic, choose, read_domain

XML = """
<domain type='kvm' id='7'><name>db</name><devices>
  <interface type='bridge'><mac address='52:54:00:AA:00:01'/><target dev='vnet3'/></interface>
  <interface type='user'><mac address='52:54:00:aa:00:02'/></interface>
  <interface type='direct'><mac address='52:54:00:aa:00:03'/><target dev='macvtap0'/></interface>
  <interface type='network'><mac address='52:54:00:aa:00:04'/><target dev='vnet4'/></interface>
</devices></domain>
"""


def test_nics_with_a_tap_are_read_in_their_order() -> None:
    one, other = Nic("52:54:00:aa:00:01", "vnet3"), Nic("52:54:00:aa:00:04", "vnet4")
    assert read_domain(XML) == Domain("db", 7, (one, other))


def test_one_that_does_not_run_has_no_taps() -> None:
    """Its description may name those that it had, which another may have by now."""
    domain = read_domain(XML.replace(" id='7'", ""))
    assert (domain.running, domain.nics) == (False, ())


@pytest.mark.parametrize("text", ["", "<domain", "<domain id='x'/>"])
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"description|literal"):
        read_domain(text)


@pytest.mark.parametrize("wanted", ["1", "52:54:00:AA:00:04", "vnet4"])
def test_a_nic_is_chosen_by_number_address_or_tap(wanted: str) -> None:
    assert choose(read_domain(XML), wanted).tap == "vnet4"


@pytest.mark.parametrize("wanted", [None, "2", "eth0"])
def test_what_can_be_chosen_is_listed(wanted: str | None) -> None:
    with pytest.raises(NoSuchNic, match=r"0: 52:54:00:aa:00:01 \(vnet3\), 1: 52:54:00:aa:00:04"):
        choose(read_domain(XML), wanted)


def test_the_only_one_need_not_be_chosen() -> None:
    nic = Nic("52:54:00:aa:00:01", "vnet3")
    assert choose(Domain("db", 1, (nic,)), None) == nic
    with pytest.raises(NoSuchNic, match="no NIC with a TAP"):
        choose(Domain("db", 1), None)
