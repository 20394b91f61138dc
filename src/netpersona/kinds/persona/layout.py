"""The structures of a slot, made of bpf/layout.h by `make layout`, so edit that."""

from __future__ import annotations

from ctypes import Structure, c_double, c_uint8, c_uint16, c_uint32, c_uint64

MAX_RULES = 128
MAX_PROFILE_RULES = 32
MAX_QUEUES = 16
DELAY_POINTS = 256
EGRESS = 0
INGRESS = 1
MATCH_EGRESS = 1
MATCH_INGRESS = 2
FORWARD = 0
DROP = 1
QUEUE_DEFAULT = 255
POLICY_CONDITIONS_EGRESS = 1
POLICY_CONDITIONS_INGRESS = 2
POLICY_FAIL_CLOSED = 4
POLICY_KEEP_FLOWS = 8
POLICY_PROFILE = 16
POLICY_TRACK = 32
NO_DSCP = 255
LOSS_NONE = 0
LOSS_BERNOULLI = 1
LOSS_GILBERT_ELLIOTT = 2
LOSS_FOUR_STATE = 3
LINK_ORDER_FREE = 1
LINK_ACTIVE = 2
IN_FLIGHT_KEEP = 0
IN_FLIGHT_DRAIN = 1
IN_FLIGHT_FLUSH = 2


class Rule(Structure):
    """struct np_rule"""

    _fields_ = (
        ("protocol", c_uint8),
        ("direction", c_uint8),
        ("action", c_uint8),
        ("queue", c_uint8),
        ("family", c_uint8),
        ("source_prefix", c_uint8),
        ("destination_prefix", c_uint8),
        ("reserved", c_uint8),
        ("port_low", c_uint16),
        ("port_high", c_uint16),
        ("source_port_low", c_uint16),
        ("source_port_high", c_uint16),
        ("source_be", c_uint32 * 4),
        ("destination_be", c_uint32 * 4),
    )


class Policy(Structure):
    """struct np_policy"""

    _fields_ = (
        ("flags", c_uint32),
        ("default_action", c_uint32),
        ("mtu", c_uint32),
        ("skb_priority", c_uint32),
        ("dscp", c_uint8),
        ("queue_count", c_uint8),
        ("reserved", c_uint16),
        ("rule_count", c_uint32),
        ("profile_count", c_uint32),
        ("reserved2", c_uint32),
        ("queue_priority", c_uint8 * 16),
        ("rules", Rule * 160),
    )


class Queue(Structure):
    """struct np_queue"""

    _fields_ = (
        ("length", c_uint32),
        ("priority", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class Chance(Structure):
    """struct np_chance"""

    _fields_ = (
        ("probability", c_double),
        ("correlation", c_double),
    )


class Loss(Structure):
    """struct np_loss"""

    _fields_ = (
        ("model", c_uint32),
        ("reserved", c_uint32),
        ("p", c_double * 6),
    )


class DelayPoint(Structure):
    """struct np_delay_point"""

    _fields_ = (
        ("p", c_uint32),
        ("x", c_uint32),
    )


class Delay(Structure):
    """struct np_delay"""

    _fields_ = (
        ("constant_ns", c_uint64),
        ("base_ns", c_uint64),
        ("span_ns", c_uint64),
        ("coherence_ns", c_uint64),
        ("correlation", c_double),
        ("points", c_uint32),
        ("reserved", c_uint32),
        ("table", DelayPoint * 256),
    )


class Link(Structure):
    """struct np_link"""

    _fields_ = (
        ("flags", c_uint32),
        ("default_queue_length", c_uint32),
        ("rate_bps", c_uint64),
        ("burst_bytes", c_uint64),
        ("delay_limit", c_uint64),
        ("duplicate", Chance),
        ("corrupt", Chance),
        ("reorder", Chance),
        ("loss", Loss),
        ("delay", Delay),
    )


class Conditions(Structure):
    """struct np_conditions"""

    _fields_ = (
        ("seed", c_uint64),
        ("in_flight", c_uint32),
        ("mtu", c_uint32),
        ("queue", Queue * 16),
        ("link", Link * 2),
    )
