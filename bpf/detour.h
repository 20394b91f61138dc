/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* To the engine and back. */
#ifndef NETPERSONA_DETOUR_H
#define NETPERSONA_DETOUR_H

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "parse.h"
#include "probe.h"
#include "view.h"

/* The mark of a packet on its second pass also carries its priority: the
 * kernel clears skb->priority on a redirect to an ingress hook. */
#define NP_MARK_PRIORITY_SHIFT 4
#define NP_MARK_PRIORITY_MASK (7 << NP_MARK_PRIORITY_SHIFT)

#define NP_TCI_ATTACHMENT (NP_TAG_PROBE - 1)
_Static_assert(NP_MAX_ATTACHMENTS <= NP_TAG_PROBE, "the bit of a probe is above any attachment");
#define NP_TCI_DIRECTION 0x1000
#define NP_TCI_PRIORITY_SHIFT 13

struct np_vlan_header {
	__u8 destination[6];
	__u8 source[6];
	__u16 type_be;
	__u16 tci_be;
};

static __always_inline const struct np_engine_state *np_engine(__u64 now)
{
	__u32 zero = 0;
	const struct np_engine_state *engine = bpf_map_lookup_elem(&engine_state, &zero);

	if (!engine || !engine->tap_ifindex)
		return 0;
	/* signed: the engine may have beaten after `now` was read */
	if ((__s64)(now - READ_ONCE(engine->heartbeat_ns)) > NP_HEARTBEAT_DEAD_NS)
		return 0;
	return engine;
}

/* Packets that would overtake others of their lane still in the engine. */
static __always_inline int np_lane_is_busy(const struct np_view *view)
{
	__u64 sent = READ_ONCE(view->lane->sent), quiet;

	if (!sent)
		return 0;
	if (sent != READ_ONCE(view->lane->settled))
		return 1;
	np_order_loads(); /* the engine writes quiet_ns, then settled */
	quiet = READ_ONCE(view->lane->quiet_ns);
	if ((__s64)(view->now - quiet) >= NP_LANE_QUIET_NS)
		return 0; /* by the cheaper clock, which is behind */
	return (__s64)(bpf_ktime_get_ns() - quiet) < NP_LANE_QUIET_NS;
}

/* Room for the header in front, with `inner_tci` (a second accelerated tag)
 * written into the bytes: a TAP knows one accelerated tag and would put it
 * in front of our header. */
static __always_inline int np_make_room(struct __sk_buff *skb, int double_tagged, __u16 inner_tci)
{
	struct np_vlan_header tagged;
	__u32 room = sizeof(struct np_detour);

	if (!double_tagged)
		return bpf_skb_change_head(skb, room, 0);
	if (bpf_skb_change_head(skb, room + 4, 0) ||
	    bpf_skb_load_bytes(skb, room + 4, &tagged, 12))
		return -1;
	tagged.type_be = bpf_htons(ETH_P_8021Q);
	tagged.tci_be = bpf_htons(inner_tci);
	return bpf_skb_store_bytes(skb, room, &tagged, sizeof(tagged), 0);
}

/* skb_vlan_pop moves the next tag of the bytes into the accelerated place. */
static __always_inline int np_take_tags(struct __sk_buff *skb, struct np_detour *header)
{
	__u16 inner_tci = 0;
	int double_tagged = 0;

	if (skb->vlan_present) {
		header->flags |= NP_DETOUR_VLAN;
		if (skb->vlan_proto == bpf_htons(ETH_P_8021AD))
			header->flags |= NP_DETOUR_VLAN_AD;
		header->vlan_tci = skb->vlan_tci;
		if (bpf_skb_vlan_pop(skb))
			return -1;
		if (skb->vlan_present) {
			double_tagged = 1;
			inner_tci = skb->vlan_tci;
			if (bpf_skb_vlan_pop(skb))
				return -1;
		}
	}
	return np_make_room(skb, double_tagged, inner_tci);
}

/* The sequence is taken last: a gap is a packet that the TAP did not take. */
static __always_inline int np_send_to_engine(struct __sk_buff *skb, struct np_view *view,
					     const struct np_engine_state *engine, __u64 now,
					     __u8 flags, __u8 queue, __u8 priority)
{
	struct np_detour header = {
		.arrived_ns = now,
		.ethertype_be = bpf_htons(NP_ETHERTYPE_DETOUR),
		.attachment = view->attachment,
		.generation = view->generation,
		.slot = view->slot,
		.direction = view->direction,
		.flags = flags | (view->probe ? NP_DETOUR_PROBE : 0),
		.queue = queue,
		.priority = priority,
	};

	if (np_take_tags(skb, &header)) {
		np_count(skb, view, NP_DROPPED_ENGINE);
		return TC_ACT_SHOT;
	}
	header.sequence = __sync_fetch_and_add(&view->lane->sent, 1) + 1;
	if (bpf_skb_store_bytes(skb, 0, &header, sizeof(header), 0))
		return TC_ACT_SHOT; /* seen by the engine as a gap */
	return bpf_redirect(engine->tap_ifindex, 0);
}

/* Where a packet that travels in `direction` goes on behind the attachment. */
static __always_inline int np_go_on(__u32 attachment, __u32 direction)
{
	const struct np_binding *binding = bpf_map_lookup_elem(&bindings, &attachment);
	int into_host;

	if (!binding || !binding->ifindex)
		return TC_ACT_SHOT; /* detached meanwhile */
	into_host = (direction == NP_EGRESS) == (binding->facing == NP_FACING_WORKLOAD);
	return bpf_redirect(binding->ifindex, into_host ? BPF_F_INGRESS : 0);
}

static __always_inline int np_return_from_engine(struct __sk_buff *skb)
{
	__u32 tci = skb->vlan_tci, priority = tci >> NP_TCI_PRIORITY_SHIFT & 7;
	__u32 attachment = tci & NP_TCI_ATTACHMENT;
	__u32 direction = tci & NP_TCI_DIRECTION ? NP_INGRESS : NP_EGRESS;

	if (!skb->vlan_present || bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	if (tci & NP_TAG_PROBE)
		return np_capture(skb, attachment, direction, 0, 0);
	skb->mark = NP_MARK_RETURNED | priority << NP_MARK_PRIORITY_SHIFT;
	skb->priority = priority;
	return np_go_on(attachment, direction);
}

static __always_inline int np_is_second_pass(const struct __sk_buff *skb)
{
	return (skb->mark & ~NP_MARK_PRIORITY_MASK) == NP_MARK_RETURNED;
}

static __always_inline void np_end_second_pass(struct __sk_buff *skb)
{
	skb->priority = (skb->mark & NP_MARK_PRIORITY_MASK) >> NP_MARK_PRIORITY_SHIFT;
	skb->mark = 0;
}

#endif
