/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Connection tracking: who opened a flow, and what was decided about it. */
#ifndef NETPERSONA_FLOW_H
#define NETPERSONA_FLOW_H

#include "filter.h"

#define NP_SECOND 1000000000ULL

/* Idle times after which a flow is forgotten. */
#define NP_IDLE_TCP_OPENING (120 * NP_SECOND)   /* SYN seen, no answer yet */
#define NP_IDLE_TCP_OPEN (24 * 3600 * NP_SECOND) /* RFC 5382 REQ-5: at least 2 h 4 min */
#define NP_IDLE_TCP_CLOSING (120 * NP_SECOND)   /* FIN seen; RFC 9293 TIME-WAIT */
#define NP_IDLE_TCP_RESET (10 * NP_SECOND)
#define NP_IDLE_UDP (180 * NP_SECOND)           /* RFC 4787 REQ-5: at least 2 min */
#define NP_IDLE_ICMP (60 * NP_SECOND)           /* RFC 5508 REQ-2: at least 60 s */
#define NP_IDLE_OTHER (600 * NP_SECOND)
#define NP_TOUCH_NS 1000000 /* last_ns is this coarse: fewer shared writes */

struct np_flow_key {
	__u32 workload[4];
	__u32 peer[4];
	__u32 life;
	__u16 workload_port; /* ICMP echo: the identifier */
	__u16 peer_port;     /* ICMP echo: who asks, NP_EGRESS or NP_INGRESS */
	__u8 family;
	__u8 protocol;
	__u16 zero;
} __attribute__((aligned(8)));

#define NP_TCP_OPENER_FIN 1
#define NP_TCP_RESPONDER_FIN 2
#define NP_TCP_FINS 3
#define NP_TCP_RESET 4
#define NP_TCP_ANSWERED 8

struct np_flow {
	__u64 last_ns;
	/* generation << 32 | verdict: one word, because around a switch two CPUs
	 * filter a flow under two generations, and their verdicts must not mix */
	__u64 decided;
	__u32 origin; /* who opened it: NP_EGRESS or NP_INGRESS */
	__u32 tcp;    /* NP_TCP_* above */
};

static __always_inline __u64 np_decided(const struct np_view *view, __u32 verdict)
{
	return (__u64)view->generation << 32 | verdict;
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NP_MAX_FLOWS);
	__type(key, struct np_flow_key);
	__type(value, struct np_flow);
} flows SEC(".maps");

static __always_inline __u64 np_idle_limit(const struct np_flow *flow, __u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		if (flow->tcp & NP_TCP_RESET)
			return NP_IDLE_TCP_RESET;
		if (flow->tcp & NP_TCP_FINS)
			return NP_IDLE_TCP_CLOSING;
		return flow->tcp & NP_TCP_ANSWERED ? NP_IDLE_TCP_OPEN : NP_IDLE_TCP_OPENING;
	case IPPROTO_UDP:
		return NP_IDLE_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return NP_IDLE_ICMP;
	}
	return NP_IDLE_OTHER;
}

static __always_inline void np_flow_key(struct np_flow_key *key, const struct np_view *view,
					const struct np_packet *packet, __u32 direction)
{
	int out = direction == NP_EGRESS;

	key->life = view->life;
	key->family = packet->family;
	key->protocol = packet->protocol;
	__builtin_memcpy(key->workload, out ? packet->source : packet->destination, 16);
	__builtin_memcpy(key->peer, out ? packet->destination : packet->source, 16);
	key->workload_port = out ? packet->source_port : packet->destination_port;
	key->peer_port = out ? packet->destination_port : packet->source_port;
	if (np_is_echo(packet))
		key->peer_port = np_is_echo_reply(packet) ? !direction : direction;
}

static __always_inline struct np_flow *np_find_flow(const struct np_flow_key *key, __u64 now)
{
	struct np_flow *flow = bpf_map_lookup_elem(&flows, key);

	/* signed: another CPU may have stamped it after `now` was read */
	if (flow && (__s64)(now - flow->last_ns) > (__s64)np_idle_limit(flow, key->protocol))
		return 0;
	return flow;
}

static __always_inline int np_is_opening_syn(const struct np_packet *packet)
{
	return packet->protocol == IPPROTO_TCP &&
	       (packet->tcp_flags & (NP_TCP_SYN | NP_TCP_ACK | NP_TCP_RST)) == NP_TCP_SYN;
}

/* Who opened a flow that is first seen with this packet. TCP in its middle:
 * ARCHITECTURE.md, end of "Order of judgement". A SYN-ACK says it itself, but
 * is believed only where that gives the profile more to decide. */
static __always_inline __u32 np_opener(const struct np_packet *packet, __u32 direction)
{
	if (packet->protocol != IPPROTO_TCP || direction == NP_INGRESS || np_is_opening_syn(packet))
		return direction;
	if (packet->tcp_flags & NP_TCP_SYN)
		return NP_INGRESS;
	return packet->source_port > packet->destination_port ? NP_EGRESS : NP_INGRESS;
}

/* A lone reset, echo reply or error opens nothing. */
static __always_inline int np_may_open(const struct np_packet *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return !(packet->tcp_flags & NP_TCP_RST);
	if (np_is_echo(packet))
		return !np_is_echo_reply(packet);
	return !np_is_icmp_error(packet);
}

static __always_inline int np_is_closed(__u32 tcp)
{
	return tcp & NP_TCP_RESET || (tcp & NP_TCP_FINS) == NP_TCP_FINS;
}

/* The two directions of a flow may be on two CPUs, hence the atomic or. */
static __always_inline void np_note_tcp(struct np_view *view, struct np_flow *flow, __u8 flags,
					int from_opener)
{
	__u32 seen = 0, before;

	if (flags & NP_TCP_FIN)
		seen |= from_opener ? NP_TCP_OPENER_FIN : NP_TCP_RESPONDER_FIN;
	if (flags & NP_TCP_RST)
		seen |= NP_TCP_RESET;
	else if (!from_opener)
		seen |= NP_TCP_ANSWERED;
	if (!(seen & ~READ_ONCE(flow->tcp)))
		return;
	before = __sync_fetch_and_or(&flow->tcp, seen);
	if (!np_is_closed(before) && np_is_closed(before | seen))
		view->counters->flows_closed++;
}

/* The flow's verdict under the generation in force. A flow that is cut stays
 * in the table, so that a datagram of its cannot open it anew at once. */
static __noinline __u32 np_filter_again(struct np_view *view, struct np_flow *flow,
				       const struct np_packet *packet, __u32 direction)
{
	__u64 decided = READ_ONCE(flow->decided);
	__u32 verdict = np_filter(view, packet, direction, flow->origin);

	if (view->policy->flags & NP_POLICY_KEEP_FLOWS && (decided & 255) == NP_PASSED)
		verdict = np_verdict(NP_PASSED, verdict >> 8);
	WRITE_ONCE(flow->decided, np_decided(view, verdict));
	return verdict;
}

static __always_inline __u32 np_flow_verdict(struct np_view *view, struct np_flow *flow,
					     const struct np_packet *packet, __u32 direction)
{
	__u64 decided = READ_ONCE(flow->decided);

	return decided >> 32 == view->generation ? decided :
						   np_filter_again(view, flow, packet, direction);
}

static __always_inline void np_create_flow(struct np_view *view, const struct np_flow_key *key,
					   const struct np_packet *packet, __u32 origin,
					   __u32 verdict)
{
	struct np_flow flow = {
		.last_ns = view->now,
		.decided = np_decided(view, verdict),
		.origin = origin,
		.tcp = np_is_opening_syn(packet) ? 0 : NP_TCP_ANSWERED,
	};

	if (bpf_map_update_elem(&flows, key, &flow, BPF_ANY))
		view->counters->flows_refused++;
	else
		view->counters->flows_created++;
}

/* How long after tracking began a TCP flow may show that it was there before. */
#define NP_ADOPTION (60 * NP_SECOND)

struct np_tracking {
	__u64 since; /* first packet that was tracked after ones that were not; 0: none is */
	__u32 life;  /* of the attachment that `since` is about; before it nothing was tracked */
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NP_MAX_ATTACHMENTS);
	__type(key, __u32);
	__type(value, struct np_tracking);
} tracking SEC(".maps");

static __always_inline void np_note_untracked(const struct np_view *view)
{
	struct np_tracking *state = bpf_map_lookup_elem(&tracking, &view->attachment);

	if (state && state->since && !view->probe)
		WRITE_ONCE(state->since, 0);
}

static __always_inline int np_tracking_is_new(const struct np_view *view)
{
	struct np_tracking *state = bpf_map_lookup_elem(&tracking, &view->attachment);

	if (!state)
		return 0;
	if (!state->since || state->life != view->life) {
		state->life = view->life;
		state->since = view->now;
	}
	return view->now - state->since < NP_ADOPTION;
}

/* With established_flows: keep, a flow from before anything was tracked stays. Its packets are let through
 * without a record; one is made when the workload sends, because to a flow that it is not in it answers
 * with a reset, and SYNs are judged. */
static __always_inline __u32 np_adopt(const struct np_view *view, const struct np_packet *packet,
				      __u32 verdict, int is_new)
{
	if (!is_new || !(view->policy->flags & NP_POLICY_KEEP_FLOWS) ||
	    packet->protocol != IPPROTO_TCP || packet->tcp_flags & (NP_TCP_SYN | NP_TCP_RST))
		return verdict;
	return np_verdict(NP_PASSED, verdict >> 8);
}

/* Out of line, like all that a packet of a known flow does not need. */
static __noinline __u32 np_filter_first(struct np_view *view, const struct np_flow_key *key,
				       const struct np_packet *packet)
{
	__u32 origin = np_opener(packet, view->direction);
	__u32 allowed = np_filter(view, packet, view->direction, origin);
	__u32 verdict = np_adopt(view, packet, allowed, np_tracking_is_new(view));

	if ((verdict & 255) == NP_PASSED && np_may_open(packet) &&
	    (verdict == allowed || view->direction == NP_EGRESS))
		np_create_flow(view, key, packet, origin, verdict);
	return verdict;
}

/* What this CPU found in the table of flows during the tick `now`, and let pass.
 * Until the next tick such a packet finds it here: last_ns is no finer, and only
 * SYN, FIN and reset change a flow, which go to the table themselves. A flow that
 * is opened anew on another CPU is known as the old one for a tick at most. */
#define NP_RECENT_FLOWS 64
struct np_recent {
	struct np_flow_key key;
	__u64 now; /* 0: none */
	__u64 decided;
	__u32 direction;
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NP_RECENT_FLOWS);
	__type(key, __u32);
	__type(value, struct np_recent);
} recent_flows SEC(".maps");

static __always_inline struct np_recent *np_recent_place(const struct np_flow_key *key)
{
	__u32 ports = key->workload_port ^ key->peer_port ^ key->workload[0] >> 24 ^ key->peer[0] >> 24;
	__u32 place = (ports ^ ports >> 8) % NP_RECENT_FLOWS;

	return bpf_map_lookup_elem(&recent_flows, &place);
}

static __always_inline int np_is_same_flow(const struct np_flow_key *one, const struct np_flow_key *two)
{
	const __u64 *a = (const __u64 *)one, *b = (const __u64 *)two;
	__u64 difference = 0;

	for (__u32 i = 0; i < sizeof(*one) / sizeof(*a); i++)
		difference |= a[i] ^ b[i];
	return !difference;
}

static __always_inline int np_is_recent(const struct np_recent *recent, const struct np_view *view,
					const struct np_flow_key *key, __u32 direction)
{
	return recent->now == view->now && recent->decided >> 32 == view->generation &&
	       recent->direction == direction && np_is_same_flow(&recent->key, key);
}

static __always_inline __u32 np_filter_known(struct np_view *view, struct np_flow *flow,
					    const struct np_packet *packet, __u32 direction)
{
	__u32 verdict = np_flow_verdict(view, flow, packet, direction);

	if ((verdict & 255) != NP_PASSED)
		return verdict;
	if ((__s64)(view->now - flow->last_ns) > NP_TOUCH_NS)
		flow->last_ns = view->now;
	if (packet->protocol == IPPROTO_TCP)
		np_note_tcp(view, flow, packet->tcp_flags, flow->origin == direction);
	return verdict;
}

static __noinline __u32 np_filter_by_table(struct np_view *view, const struct np_flow_key *key,
					  const struct np_packet *packet, struct np_recent *recent)
{
	__u32 direction = view->direction, verdict;
	struct np_flow *flow = np_find_flow(key, view->now);

	recent->now = 0;
	/* a repeated SYN is the same opening; any other one is a new flow */
	if (!flow || (np_is_opening_syn(packet) && (flow->origin != direction || flow->tcp)))
		return np_filter_first(view, key, packet);
	verdict = np_filter_known(view, flow, packet, direction);
	if ((verdict & 255) != NP_PASSED)
		return verdict;
	recent->key = *key;
	recent->decided = np_decided(view, verdict);
	recent->direction = direction;
	recent->now = view->now;
	return verdict;
}

static __always_inline __u32 np_filter_flow(struct np_view *view, const struct np_packet *packet)
{
	struct np_flow_key key = {};
	struct np_recent *recent;

	np_flow_key(&key, view, packet, view->direction);
	recent = np_recent_place(&key);
	if (!recent)
		return NP_VERDICT_PASS; /* the verifier asks: every place is there */
	if (!(packet->tcp_flags & (NP_TCP_SYN | NP_TCP_FIN | NP_TCP_RST)) &&
	    np_is_recent(recent, view, &key, view->direction))
		return recent->decided;
	return np_filter_by_table(view, &key, packet, recent);
}

/* An ICMP error follows the flow that it quotes; ~0 if that is unknown. */
#define NP_UNKNOWN_FLOW (~0u)
static __noinline __u32 np_filter_quoted(struct __sk_buff *skb, struct np_view *view,
					const struct np_packet *error)
{
	struct np_packet quoted = {};
	struct np_flow_key key = {};
	struct np_flow *flow;

	if (np_parse_quoted(skb, error, &quoted) != NP_PARSED)
		return NP_UNKNOWN_FLOW;
	np_flow_key(&key, view, &quoted, !view->direction);
	flow = np_find_flow(&key, view->now);
	return flow ? np_flow_verdict(view, flow, &quoted, !view->direction) : NP_UNKNOWN_FLOW;
}

#endif
