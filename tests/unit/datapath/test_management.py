from netpersona.datapath.management import ssh_peers

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue\n"


def test_peers_are_those_of_established_connections_to_port_22() -> None:
    table = HEADER + (
        "   0: 00000000:0016 00000000:0000 0A 0:0\n"  # listening
        "   1: 0100000A:0016 0200000A:C350 01 0:0\n"
        "   2: 0100000A:C351 0300000A:0016 01 0:0\n"  # our own login elsewhere
        "   3: 0100000A:0016 0400000A:C350 06 0:0\n"  # over
    )
    assert list(ssh_peers(table)) == ["10.0.0.2"]


def test_peers_of_ipv6_are_read_and_mapped_ones_are_ipv4() -> None:
    table = HEADER + (
        "   0: B80D0120000000000000000001000000:0016 B80D0120000000000000000002000000:C350 01 0:0\n"
        "   1: 0000000000000000FFFF00000100000A:0016 0000000000000000FFFF00000200000A:C350 01 0:0\n"
    )
    assert list(ssh_peers(table)) == ["2001:db8::2", "10.0.0.2"]
