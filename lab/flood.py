"""A SYN flood from one interface, bounded in time and rate: `python -m lab.flood --help`.

Sources are invented and seeded (198.18.0.0/15, for such tests by RFC 2544). Behind its TCP header each packet
carries when it was sent, CLOCK_MONOTONIC nanoseconds.
"""

from __future__ import annotations

import argparse
import random
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.namespaces import Workload

SYN = 2
FLOODED_PORT = 443
MOST_PER_S, LONGEST_S = 100_000, 30.0


@contextmanager
def flood(source: Workload, target: Workload, *, rate: int, seconds: float = LONGEST_S) -> Iterator[None]:
    """From one workload to another for the length of the block, `seconds` at most."""
    where = (source.interface, source.mac, target.mac, target.ipv4, str(FLOODED_PORT))
    options = ("--rate", str(rate), "--seconds", f"{seconds:g}")
    with source.namespace.spawn(sys.executable, "-m", "lab.flood", *where, *options):
        yield


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("interface", "source_mac", "mac", "address"):
        parser.add_argument(name)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    link = bytes.fromhex((asked.mac + asked.source_mac).replace(":", "")) + b"\x08\x00"
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((asked.interface, 0))
        chance = random.Random(asked.seed)
        begin, count = time.monotonic(), 0
        rate, seconds = min(asked.rate, MOST_PER_S), min(asked.seconds, LONGEST_S)
        while (elapsed := time.monotonic() - begin) < seconds:
            while count < elapsed * rate:
                sender.send(link + _syn(asked.address, asked.port, chance))
                count += 1
            time.sleep(0.0005)


def _syn(address: str, port: int, chance: random.Random) -> bytes:
    source = 0xC6120000 + chance.getrandbits(17)
    target = int.from_bytes(socket.inet_aton(address), "big")
    sent = struct.pack("!Q", time.monotonic_ns())
    head = struct.pack(
        "!HHIIBBHHH", chance.randrange(1024, 65536), port, chance.getrandbits(32), 0, 80, SYN, 65535, 0, 0
    )
    pseudo = struct.pack("!IIHH", source, target, socket.IPPROTO_TCP, len(head) + len(sent))
    head = head[:16] + struct.pack("!H", _checksum(pseudo + head + sent)) + head[18:]
    outer = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(head) + len(sent), 0, 0, 64, 6, 0, source, target)
    return outer[:10] + struct.pack("!H", _checksum(outer)) + outer[12:] + head + sent


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


if __name__ == "__main__":
    main()
