from netpersona.datapath.prober import _frame, identify
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
