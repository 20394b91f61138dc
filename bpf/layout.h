/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The memory that the kernel programs, the engine and the agent share.
 *
 * This header is the one source: engine/layout makes Rust of it when it is built, and
 * `make layout` Python (src/netpersona/kinds/persona/layout.py).
 *
 * All integers are in host order unless a name ends in _be. Times are
 * CLOCK_MONOTONIC nanoseconds. Directions are the workload's: egress is what
 * it sends, ingress is what it receives.
 */
#ifndef NETPERSONA_LAYOUT_H
#define NETPERSONA_LAYOUT_H

#include <linux/types.h>

/* Each map is pinned under its name and the version of its layout. Raise a
 * version when what the map holds changes. What is only counted starts anew
 * then; the other maps hold what is enforced, so that `up` asks for `down`. */
#define NP_BINDINGS_VERSION 3
#define NP_LANES_VERSION 3        /* and of the detour header */
#define NP_ENGINE_STATE_VERSION 3
#define NP_POLICIES_VERSION 3
#define NP_CONDITIONS_VERSION 3
#define NP_ATTACHMENTS_VERSION 3
#define NP_FLOWS_VERSION 3
#define NP_FRAGMENTS_VERSION 3
#define NP_BUILD_VERSION 3
#define NP_COUNTERS_VERSION 3     /* from here on: only counted */
#define NP_LANE_STATS_VERSION 3
#define NP_ENGINE_STATS_VERSION 3
#define NP_PROBES_VERSION 3
#define NP_TCP_COUNTS_VERSION 1
#define NP_ROUND_TRIPS_VERSION 1
#define NP_LANE_DELAYS_VERSION 1
#define NP_HINTS_VERSION 1         /* from here on: only found again faster */
#define NP_TICKS_VERSION 1
#define NP_RECENT_FLOWS_VERSION 1
#define NP_TRACKING_VERSION 1
#define NP_SAMPLED_FLOWS_VERSION 1

/* Documented bounds. Index 0 is never used for an attachment; slot 0 is the
 * null persona (everything passes, nothing is counted against a rule). */
#define NP_MAX_ATTACHMENTS 2048
#define NP_MAX_SLOTS 2048
#define NP_MAX_RULES 128          /* filtering rules of one persona */
#define NP_MAX_PROFILE_RULES 32   /* allow rules of one security profile */
#define NP_MAX_QUEUES 16
#define NP_MAX_FLOWS 131072       /* tracked connections, all attachments */
#define NP_MAX_FRAGMENTS 16384    /* datagrams being followed by fragment id */
#define NP_SAMPLED_FLOWS 32       /* TCP connections of an attachment that are measured at a time */
#define NP_LEASES 4               /* leases kept per binding, by generation */
#define NP_DELAY_POINTS 256       /* points of a delay quantile table */

#define NP_EGRESS 0
#define NP_INGRESS 1

/* ---- bindings: map `bindings`, one per attachment, BPF_F_MMAPABLE --------- */

/* A binding word is generation << 32 | slot. */
struct np_lease {
	__u64 expires_ns;         /* 0: never */
	__u64 fallback;           /* binding word in force from expires_ns on */
};

/* facing: which side of the interface the workload is on. */
#define NP_FACING_WORKLOAD 0      /* tap, veth: the workload is behind it */
#define NP_FACING_NETWORK 1       /* NIC, bridge: this host is the workload */

struct np_binding {
	__u64 active;             /* the one word that a switch stores */
	__u32 ifindex;            /* 0: attachment not in use */
	__u32 facing;
	struct np_lease lease[NP_LEASES]; /* lease[generation / 2 % NP_LEASES] */
	__u64 life;               /* 0: none, and what the engine holds is dropped */
	__u64 lives;              /* that this number has had */
	__u64 released_ns;        /* when the last one ended, 0: never used */
	__u64 reserved[3];        /* pads to 128 bytes: two cache lines */
};

/* A number is not given to another interface before. */
#define NP_REUSE_NS 1000000000

/* ---- lanes: map `lanes`, index attachment * 2 + direction, MMAPABLE ------- */

/* One direction of one attachment on its way through the engine. `sent` is
 * written by the kernel programs only, the rest by the engine only. A persona
 * without conditions goes straight on only once settled == sent and
 * quiet_ns lies NP_LANE_QUIET_NS back: until then packets that overtook the
 * ones still in the engine would be reordered. */
#define NP_LANE_QUIET_NS 200000
struct np_lane {
	__u64 sent;               /* packets given to the engine (sequence) */
	__u64 reserved_kernel[7];
	__u64 settled;            /* of those, emitted, dropped or known lost */
	__u64 quiet_ns;           /* when settled last moved */
	__u64 reserved_engine[6];
};

/* ---- engine state: map `engine_state`, one entry, MMAPABLE ---------------- */

#define NP_HEARTBEAT_NS 20000000        /* engine beats at least this often */
#define NP_HEARTBEAT_DEAD_NS 150000000  /* older: the engine counts as dead */
struct np_engine_state {
	__u64 heartbeat_ns;       /* written by the engine */
	__u32 tap_ifindex;        /* written by the agent */
	__u32 reserved;
	__u64 pad[6];
};

/* ---- policy half of a slot: map `policies`, MMAPABLE ---------------------- */

#define NP_MATCH_EGRESS 1         /* np_rule.direction is a bit set */
#define NP_MATCH_INGRESS 2
#define NP_FORWARD 0
#define NP_DROP 1
#define NP_QUEUE_DEFAULT 255      /* no queue asked for */

/* A rule matches a flow as it was opened: direction is who opened it (egress:
 * the workload), source is the opener, port is the port it opened to. Packets
 * of the reply direction follow the flow. 48 bytes. */
struct np_rule {
	__u8 protocol;            /* IP protocol number, 0: any; ICMP (1) also
	                           * matches ICMPv6 (58) when family is 0 */
	__u8 direction;           /* NP_MATCH_* */
	__u8 action;              /* NP_FORWARD or NP_DROP */
	__u8 queue;               /* queue id or NP_QUEUE_DEFAULT */
	__u8 family;              /* 0 any, 4, 6 */
	__u8 source_prefix;       /* bits of `source` that count, 0: any */
	__u8 destination_prefix;
	__u8 reserved;
	__u16 port_low, port_high;               /* 0, 65535: any */
	__u16 source_port_low, source_port_high; /* 0, 65535: any */
	__u32 source_be[4];       /* IPv4 in [0] */
	__u32 destination_be[4];
};

#define NP_POLICY_CONDITIONS_EGRESS 1   /* that direction goes through the engine */
#define NP_POLICY_CONDITIONS_INGRESS 2
#define NP_POLICY_FAIL_CLOSED 4         /* engine dead: drop, rather than pass */
#define NP_POLICY_KEEP_FLOWS 8          /* flows let in before stay let in */
#define NP_POLICY_PROFILE 16            /* profile rules are in force */
#define NP_POLICY_TRACK 32              /* connections are tracked */
#define NP_NO_DSCP 255

struct np_policy {
	__u32 flags;              /* NP_POLICY_* */
	__u32 default_action;     /* NP_FORWARD or NP_DROP */
	__u32 mtu;                /* bytes of the IP packet, 0: no limit */
	__u32 skb_priority;       /* 0..7, from qos_priority */
	__u8 dscp;                /* 0..63 or NP_NO_DSCP */
	__u8 queue_count;
	__u16 reserved;
	__u32 rule_count;         /* rules[0 .. rule_count) are filtering rules */
	__u32 profile_count;      /* the next profile_count allow incoming flows */
	__u32 reserved2;
	__u8 queue_priority[NP_MAX_QUEUES]; /* 0..7 by queue id, 255: none */
	struct np_rule rules[NP_MAX_RULES + NP_MAX_PROFILE_RULES];
};

/* ---- conditions half of a slot: map `conditions`, MMAPABLE ---------------- */

#define NP_LOSS_NONE 0
#define NP_LOSS_BERNOULLI 1       /* p[0] probability, p[1] lag-1 correlation */
#define NP_LOSS_GILBERT_ELLIOTT 2 /* p[0] p, p[1] r, p[2] loss in good (1-k),
                                   * p[3] loss in bad (1-h) */
#define NP_LOSS_FOUR_STATE 3      /* p[0] p13, p[1] p31, p[2] p32, p[3] p23,
                                   * p[4] p14 (Salsano et al., as netem) */
struct np_loss {
	__u32 model;
	__u32 reserved;
	double p[6];
};

struct np_chance {
	double probability;
	double correlation;       /* lag-1, 0..1 */
};

/* Delay of a packet: constant_ns when points is 0, else drawn from a
 * piecewise linear quantile function: at probability p (p / 2^32) the delay is
 * base_ns + span_ns * x / 2^32. Points ascend in p and x; the first has p 0,
 * the last p 2^32 - 1. */
struct np_delay_point {
	__u32 p;
	__u32 x;
};
struct np_delay {
	__u64 constant_ns;
	__u64 base_ns;
	__u64 span_ns;
	__u64 coherence_ns;       /* order kept: gap beyond which draws count as no
	                           * closer than this (correlation); 0: no cap */
	double correlation;       /* order free: lag-1 correlation of the draws */
	__u32 points;
	__u32 reserved;
	struct np_delay_point table[NP_DELAY_POINTS];
};

#define NP_LINK_ORDER_FREE 1      /* a later packet may overtake an earlier one */
#define NP_LINK_ACTIVE 2          /* this direction has conditions */
struct np_link {
	__u32 flags;              /* NP_LINK_* */
	__u32 default_queue_length; /* packets waiting outside any queue asked for */
	__u64 rate_bps;           /* bits of Ethernet frame (no FCS) a second, 0: unlimited */
	__u64 burst_bytes;        /* token bucket depth */
	__u64 delay_limit;        /* packets the delay line may hold */
	struct np_chance duplicate;
	struct np_chance corrupt;
	struct np_chance reorder; /* share sent at once, past the delay line */
	struct np_loss loss;
	struct np_delay delay;
};

struct np_queue {
	__u32 length;             /* packets, 0: queue id not configured */
	__u8 priority;            /* 0..7, 7 served first */
	__u8 reserved[3];
};

#define NP_IN_FLIGHT_KEEP 0       /* switched away: keep departure times */
#define NP_IN_FLIGHT_DRAIN 1      /* send what waits at once */
#define NP_IN_FLIGHT_FLUSH 2      /* drop what waits */
struct np_conditions {
	__u64 seed;               /* 0: the engine picks one and reports it */
	__u32 in_flight;          /* what happens to packets under way when this
	                           * persona takes over: NP_IN_FLIGHT_* */
	__u32 mtu;
	struct np_queue queue[NP_MAX_QUEUES];
	struct np_link link[2];   /* by direction */
};

/* ---- the detour: header in front of a frame given to the engine ----------- */

#define NP_ETHERTYPE_DETOUR 0x88B5 /* IEEE 802 local experimental 1 */
#define NP_ETHERTYPE_PROBE 0x88B6  /* IEEE 802 local experimental 2 */
#define NP_DETOUR_TOO_BIG 1        /* larger than the persona's MTU */
#define NP_DETOUR_VLAN 2           /* the workload's own 802.1Q tag is in vlan_tci */
#define NP_DETOUR_VLAN_AD 4        /* that tag is 802.1ad */
#define NP_DETOUR_PASS 8           /* no conditions: only keeps order behind
                                    * packets still in the engine */
#define NP_DETOUR_PROBE 16         /* a probe of ours, as NP_TAG_PROBE on its way back */
struct np_detour {
	__u64 arrived_ns;         /* at the hook: what a delay counts from */
	__u32 zero;
	__u16 ethertype_be;
	__u16 attachment;
	__u32 generation;
	__u16 slot;
	__u8 direction;
	__u8 flags;               /* NP_DETOUR_* */
	__u8 queue;               /* queue id or NP_QUEUE_DEFAULT */
	__u8 priority;            /* 0..7 */
	__u16 vlan_tci;
	__u32 sequence;           /* low 32 bits of np_lane.sent, this packet included */
};

/* The engine answers with the frame behind one 802.1Q tag:
 * PCP = priority, DEI = direction, VID = attachment and NP_TAG_PROBE. */
#define NP_TAG_PROBE 0x0800

/* Marks of a packet on its second pass, and of a probe between injection and
 * its attachment; cleared by the program that sees them. A workload behind a
 * veth or TAP cannot set one: the kernel clears marks between namespaces. */
#define NP_MARK_RETURNED 0x4e500001
#define NP_MARK_PROBE 0x4e500002

/* ---- counters: map `counters`, per CPU, index attachment * 2 + direction -- */

struct np_tally {
	__u64 packets;            /* GSO packets count as their segments */
	__u64 bytes;
};
struct np_counters {
	struct np_tally passed;          /* went on, detoured ones included */
	struct np_tally dropped_rule;
	struct np_tally dropped_default;
	struct np_tally dropped_profile;
	struct np_tally dropped_fragment;/* later fragment of an unknown datagram */
	struct np_tally dropped_engine;  /* engine dead, persona fails closed */
	struct np_tally too_big;
	struct np_tally detoured;
	struct np_tally bypassed;        /* engine dead, persona fails open */
	struct np_tally malformed;
	__u64 flows_created;
	__u64 flows_closed;
	__u64 flows_refused;             /* connection table would not take one */
	__u64 expired;                   /* packets decided by a lease's fallback */
	__u64 generation;                /* proof: last generation seen here … */
	__u64 generation_packets;        /* … and packets decided under it */
};

/* ---- engine statistics: maps `lane_stats` (index as lanes) and
 * `engine_stats` (one entry), MMAPABLE, written by the engine only ----------- */

struct np_lane_stats {
	__u64 received;           /* all in MTU-sized segments */
	__u64 emitted;
	__u64 lost;
	__u64 duplicated;
	__u64 corrupted;
	__u64 reordered;
	__u64 dropped_queue;      /* a queue was full */
	__u64 dropped_line;       /* the delay line was full */
	__u64 dropped_ring;       /* the detour TAP's ring was full (sequence gap) */
	__u64 dropped_emit;       /* the kernel did not take the packet back */
	__u64 flushed;
	__u64 fragmented;         /* packets cut to the MTU */
	__u64 answered;           /* packets too big answered with ICMP or ICMPv6 */
	__u64 held;               /* waiting now, queues and delay line */
	__u64 seed;               /* in force */
	__u64 generation;         /* last seen */
};

#define NP_LATENESS_BUCKETS 40    /* bucket i: lateness below 2^i ns, from 2^(i-1) */
struct np_engine_stats {
	__u64 started_ns;
	__u64 wakeups;
	__u64 reads;
	__u64 writes;
	__u64 dropped_memory;     /* the engine's memory bound was reached */
	__u64 unknown_frames;     /* not a detour frame, or malformed */
	__u64 held_bytes;
	__u64 held_bytes_limit;
	__u64 lateness[NP_LATENESS_BUCKETS];
};

/* ---- measured conditions -------------------------------------------------- */

/* Of the TCP segments with data that passed in one direction, those that could be
 * followed: map `tcp_counts`, per CPU, index as counters. */
struct np_tcp_counts {
	__u64 segments;           /* GSO packets count as their segments */
	__u64 retransmitted;      /* of those */
	__u64 reordered;          /* of those, came behind a later one, not sent again */
	__u64 round_trips;        /* samples in np_round_trips */
};

/* Histograms of microseconds: bucket i below 32 counts i; above it, with
 * e = i / 16 - 1, from (16 + i % 16) << e on, 1 << e wide. What is longer than
 * 2^26 (67 s) counts as that. Counts wrap. */
#define NP_TIME_BUCKETS 368

/* From a data segment that went in this direction to its acknowledgement: map
 * `round_trips`, index as lanes, MMAPABLE. */
struct np_round_trips {
	__u64 variations;         /* samples behind another of the same connection … */
	__u64 variation_us;       /* … and the sum of their differences from it */
	__u32 histogram[NP_TIME_BUCKETS]; /* microseconds */
};

/* What the engine let go: map `lane_delays`, index as lanes, MMAPABLE, written by
 * the engine only, as lane_stats. Zero again in a new life. */
struct np_lane_delays {
	__u64 packets;            /* in MTU-sized segments */
	__u64 bytes;              /* of Ethernet frame */
	__u64 held_ns;            /* sum over packets, from arrival at the hook */
	__u32 histogram[NP_TIME_BUCKETS]; /* microseconds held */
};

/* ---- probes: ring buffer `probes` ----------------------------------------- */

/* A probe is a frame with NP_ETHERTYPE_PROBE injected at the attachment by the
 * probe interface; it takes the whole way, and is captured instead of leaving.
 * A frame of that type from anywhere else is a packet like any other. */
#define NP_PROBE_HEAD 128 /* also the least length of a probe */
struct np_probe_event {
	__u64 captured_ns;
	__u32 attachment;
	__u32 direction;
	__u32 length;             /* of the frame */
	__u32 generation;         /* at capture when it did not detour, else 0 */
	__u32 verdict;            /* of an opening: reason (order of np_counters) | queue << 8 */
	__u32 zero;
	__u8 head[NP_PROBE_HEAD]; /* first bytes of the frame */
};

/* ---- map `build`: who pinned the programs; written by the loader ----------- */

struct np_build {
	__u64 programs;           /* hash of the object file; 0: not yet complete */
};

/* Attachment of an interface: map `attachments`, hash by ifindex. */
struct np_attachment {
	__u32 attachment;
	__u32 facing;
	__u32 life;               /* that of its binding: flows are known by it */
	__u32 reserved;
};

#endif
