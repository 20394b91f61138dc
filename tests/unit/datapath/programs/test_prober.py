import pytest

from netpersona.datapath.programs.prober import _REASONS, _frame, _opened, _opening, identify
from netpersona.datapath.types import Direction

NONCE = 0x1122334455667788
FRAME = _frame(7, Direction.INGRESS, NONCE, 42, 128)


def test_a_probe_is_known_by_its_number() -> None:
    assert identify(FRAME, NONCE) == 42
    assert identify(FRAME, NONCE + 1) is None


def test_one_corrupted_bit_anywhere_does_not_hide_which_it_was() -> None:
    for bit in range(len(FRAME) * 8):
        head = bytearray(FRAME)
        head[bit // 8] ^= 1 << bit % 8
        assert identify(bytes(head), NONCE) == 42


def test_a_quoted_packet_lies_where_the_kernel_programs_look() -> None:
    frame = _opening(7, Direction.EGRESS, NONCE, 1, b"packet")
    assert (frame.index(b"packet"), len(frame)) == (54, 128)  # NP_PROBE_PACKET, NP_PROBE_HEAD
    with pytest.raises(ValueError, match="too long to quote"):
        _opening(7, Direction.EGRESS, NONCE, 1, bytes(75))


def test_verdicts_are_named_after_their_counters() -> None:
    assert _REASONS[:4] == ("passed", "dropped_rule", "dropped_default", "dropped_profile")
    assert (_opened(0xFF00).reason, _opened(0xFF00).queue) == ("passed", None)
    assert (_opened(0x0201).reason, _opened(0x0201).queue) == ("dropped_rule", 2)
