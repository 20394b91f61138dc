"""Names of offloads: what the kernel calls them, and what people do."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase

ALIASES = {
    "rx": ("rx-checksum",),
    "rx-checksumming": ("rx-checksum",),
    "tx": ("tx-checksum-*",),
    "tx-checksumming": ("tx-checksum-*",),
    "sg": ("tx-scatter-gather*",),
    "scatter-gather": ("tx-scatter-gather*",),
    "tso": ("tx-tcp*-segmentation",),
    "tcp-segmentation-offload": ("tx-tcp*-segmentation",),
    "ufo": ("tx-udp-fragmentation",),
    "udp-fragmentation-offload": ("tx-udp-fragmentation",),
    "gso": ("tx-generic-segmentation",),
    "generic-segmentation-offload": ("tx-generic-segmentation",),
    "gro": ("rx-gro",),
    "generic-receive-offload": ("rx-gro",),
    "lro": ("rx-lro",),
    "large-receive-offload": ("rx-lro",),
    "rxvlan": ("rx-vlan-hw-parse",),
    "rx-vlan-offload": ("rx-vlan-hw-parse",),
    "txvlan": ("tx-vlan-hw-insert",),
    "tx-vlan-offload": ("tx-vlan-hw-insert",),
    "ntuple": ("rx-ntuple-filter",),
    "ntuple-filters": ("rx-ntuple-filter",),
    "rxhash": ("rx-hashing",),
    "receive-hashing": ("rx-hashing",),
}
"""As ethtool(8) -K takes them, and as -k prints them; patterns of the kernel's names."""

_NAMES = """
tx-scatter-gather tx-checksum-ipv4 tx-checksum-ip-generic tx-checksum-ipv6 highdma
tx-scatter-gather-fraglist tx-vlan-hw-insert rx-vlan-hw-parse rx-vlan-filter tx-vlan-stag-hw-insert
rx-vlan-stag-hw-parse rx-vlan-stag-filter vlan-challenged tx-generic-segmentation rx-gro rx-gro-hw rx-lro
tx-tcp-segmentation tx-gso-robust tx-tcp-ecn-segmentation tx-tcp-mangleid-segmentation
tx-tcp6-segmentation tx-tcp-accecn-segmentation tx-fcoe-segmentation tx-gre-segmentation
tx-gre-csum-segmentation tx-ipxip4-segmentation tx-ipxip6-segmentation tx-udp_tnl-segmentation
tx-udp_tnl-csum-segmentation tx-gso-partial tx-tunnel-remcsum-segmentation tx-sctp-segmentation
tx-esp-segmentation tx-udp-segmentation tx-gso-list tx-udp-fragmentation tx-checksum-fcoe-crc
tx-checksum-sctp rx-ntuple-filter rx-hashing rx-checksum tx-nocache-copy loopback rx-fcs rx-all
l2-fwd-offload hw-tc-offload esp-hw-offload esp-tx-csum-hw-offload rx-udp_tunnel-port-offload
tls-hw-record tls-hw-tx-offload tls-hw-rx-offload rx-gro-list macsec-hw-offload rx-udp-gro-forwarding
hsr-tag-ins-offload hsr-tag-rm-offload hsr-fwd-offload hsr-dup-offload
"""
KNOWN = frozenset(_NAMES.split())
"""net/ethtool/common.c, netdev_features_strings, of Linux 6.18."""


def expanded(name: str, has: frozenset[str]) -> list[str]:
    """The kernel's names for what a person wrote, of those that an interface has."""
    patterns = ALIASES.get(name, (name,))
    return sorted(one for one in has if any(fnmatchcase(one, pattern) for pattern in patterns))


def is_known(name: str) -> bool:
    return name in ALIASES or name in KNOWN


def nearest(name: str) -> str | None:
    return next(iter(get_close_matches(name, [*ALIASES, *KNOWN], 1)), None)
