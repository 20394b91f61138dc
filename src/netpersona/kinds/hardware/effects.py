"""What a change of a setting does to the traffic of an interface, by driver. From the drivers' sources.

`live`: no packet notices. `reinit`: queues are set up anew, what is in them is lost. `flap`: carrier goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from netpersona.kinds.kind import Label


@dataclass(frozen=True, slots=True)
class Effect:
    """`outage_s` is how long no packet passes. `assumed`: not looked up for this driver."""

    label: Label
    outage_s: float = 0.0
    assumed: bool = False


_LIVE = Effect("live")

_SOFTWARE = frozenset(
    {"tx-generic-segmentation", "rx-gro", "tx-nocache-copy", "rx-gro-list", "rx-udp-gro-forwarding"}
)
"""Flags of net/core/dev.c that no driver has a say in (NETIF_F_SOFT_FEATURES and kin)."""

_KNOWN: dict[str, dict[str, Effect]] = {
    # drivers/net/veth.c: veth_set_channels takes both carriers away and gives them back at once;
    # veth_set_features starts or stops NAPI for rx-gro.
    "veth": {"channels": Effect("flap", 0.001), "rx-gro": Effect("reinit"), "features": _LIVE},
    # drivers/net/tun.c: rx_frames is a field (tun_set_coalesce); offloads are flags of the core.
    "tun": {"coalesce": _LIVE, "features": _LIVE},
    # drivers/net/virtio_net.c: one control command each; virtnet_{rx,tx}_resize stop and reset one queue.
    "virtio_net": {
        "coalesce": _LIVE,
        "queue": _LIVE,
        "channels": Effect("reinit", 0.001),
        "rings": Effect("reinit", 0.01),
        "features": _LIVE,
        "rss": _LIVE,
    },
    # drivers/net/ethernet/intel/e1000e: e1000_set_coalesce writes ITR; e1000_set_ringparam and
    # e1000_set_features of receive go through e1000e_down and e1000e_up. 1.9 s under QEMU.
    "e1000e": {
        "coalesce": _LIVE,
        "rings": Effect("flap", 2.0),
        "rx": Effect("flap", 2.0),
        "vlan": Effect("flap", 2.0),
        "features": _LIVE,
    },
    # drivers/net/vmxnet3: rings quiesce and reset the device, which takes the carrier for a moment
    # (vmxnet3_quiesce_dev).
    "vmxnet3": {"coalesce": _LIVE, "rings": Effect("flap", 0.5), "features": Effect("reinit")},
}

_RULE_OF_THUMB = {
    "coalesce": Effect("live", assumed=True),
    "queue": Effect("live", assumed=True),
    "rss": Effect("live", assumed=True),
    "ntuple": Effect("live", assumed=True),
    "rings": Effect("flap", 2.0, assumed=True),
    "channels": Effect("flap", 2.0, assumed=True),
    "rx": Effect("reinit", 0.1, assumed=True),
    "vlan": Effect("reinit", 0.1, assumed=True),
    "features": Effect("live", assumed=True),
}

# net/core/dev.c, dev_qdisc_change_tx_queue_len: queueing disciplines are stopped and started again.
_QUEUE_LENGTH = Effect("reinit")
# drivers/net/tun.c, tun_queue_resize: the ring is exchanged for another with the packets in it.
_TUN_QUEUE_LENGTH = _LIVE


def effect(driver: str, key: str) -> Effect:
    """Of changing one setting. `driver` is what ethtool -i says, "" for none in particular."""
    group, _, name = key.partition("/")
    if group == "txqueuelen":
        return _TUN_QUEUE_LENGTH if driver == "tun" else _QUEUE_LENGTH
    known = _KNOWN.get(driver, {})
    if group != "features":
        return known.get(group) or _RULE_OF_THUMB[group]
    if name in known:
        return known[name]
    if name in _SOFTWARE:
        return _LIVE
    sort = "vlan" if "vlan" in name else "rx" if name.startswith("rx-") else "features"
    return known.get(sort) or known.get("features") or _RULE_OF_THUMB[sort]
