// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The policy half: what the kernel decides per packet.
 *
 * np_egress and np_ingress see what the workload sends and receives; which tc
 * hook of the attachment that is depends on the way it faces. np_return is on
 * the detour TAP, np_probe on the probe interface. Needs Linux 5.17
 * (bpf_loop). Nothing here ends the chain for a packet that goes on, so that
 * foreign programs and filters behind ours see it too.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "detour.h"
#include "flow.h"
#include "fragment.h"
#include "filter.h"
#include "measure.h"
#include "parse.h"
#include "probe.h"
#include "rewrite.h"
#include "view.h"

#define NP_GO_ON TC_ACT_UNSPEC /* TCX_NEXT, too */

static __always_inline int np_lets_everything_pass(const struct np_policy *policy)
{
	return !(policy->flags & (NP_POLICY_TRACK | NP_POLICY_PROFILE)) && !policy->rule_count &&
	       policy->default_action == NP_FORWARD;
}

static __always_inline __u32 np_decide_ip(struct __sk_buff *skb, struct np_view *view,
					  struct np_packet *packet)
{
	__u32 verdict;

	if (np_is_neighbour_discovery(packet) || np_is_dhcp(packet))
		return NP_VERDICT_PASS;
	if (!(view->policy->flags & NP_POLICY_TRACK))
		return np_filter(view, packet, view->direction, view->direction);
	if (np_is_icmp_error(packet)) {
		verdict = np_filter_quoted(skb, view, packet);
		if (verdict != NP_UNKNOWN_FLOW)
			return verdict;
	}
	return np_filter_flow(view, packet);
}

/* ARCHITECTURE.md, "Order of judgement in the kernel". */
static __always_inline __u32 np_decide(struct __sk_buff *skb, struct np_view *view,
				       struct np_packet *packet)
{
	int parsed = np_parse_ethernet(skb, packet);
	__u32 verdict;

	if (np_lets_everything_pass(view->policy)) {
		np_note_untracked(view);
		return NP_VERDICT_PASS;
	}
	if (packet->ethertype == ETH_P_ARP || view->probe)
		return NP_VERDICT_PASS;
	if (parsed == NP_NOT_IP)
		return np_filter(view, packet, view->direction, view->direction);
	if (parsed == NP_MALFORMED || np_parse_here(skb, packet, 0) == NP_MALFORMED)
		return np_verdict(NP_DROPPED_MALFORMED, NP_QUEUE_DEFAULT);
	if (packet->fragment == NP_LATER_FRAGMENT)
		return np_filter_later_fragment(view, packet);
	verdict = np_decide_ip(skb, view, packet);
	if (packet->fragment == NP_FIRST_FRAGMENT)
		np_remember_fragment(view, packet, verdict);
	return verdict;
}

/* Of the IP packet that a probe quotes, as the first of its flow; the table of flows is left alone. */
static __noinline __u32 np_decide_opening(struct __sk_buff *skb, struct np_view *view)
{
	struct np_packet packet = {.network = NP_PROBE_PACKET};
	__u8 version = 0;

	if (!view->policy || np_lets_everything_pass(view->policy))
		return NP_VERDICT_PASS;
	bpf_skb_load_bytes(skb, NP_PROBE_PACKET, &version, sizeof(version));
	packet.family = version >> 4;
	if ((packet.family != 4 && packet.family != 6) || np_parse_ip(skb, &packet, 0) == NP_MALFORMED)
		return np_verdict(NP_DROPPED_MALFORMED, NP_QUEUE_DEFAULT);
	if (np_is_neighbour_discovery(&packet) || np_is_dhcp(&packet))
		return NP_VERDICT_PASS;
	return np_filter(view, &packet, view->direction, view->direction);
}

/* A GSO packet is measured by its segments: they are what would be sent. */
static __always_inline int np_is_too_big(struct __sk_buff *skb, const struct np_view *view,
					 struct np_packet *packet)
{
	__u32 mtu = view->policy->mtu;

	if (!mtu || !packet->family || skb->len <= mtu)
		return 0;
	if (!skb->gso_size)
		return skb->len - packet->network > mtu;
	if (!packet->transport && np_parse_ip(skb, packet, 0) == NP_MALFORMED)
		return 0;
	return packet->transport - packet->network + packet->transport_length + skb->gso_size > mtu;
}

static __always_inline __u8 np_priority(const struct np_policy *policy, __u32 queue)
{
	__u8 priority = queue < NP_MAX_QUEUES ? policy->queue_priority[queue] : 255;

	return priority > 7 ? policy->skb_priority & 7 : priority;
}

static __always_inline int np_bypass(struct __sk_buff *skb, struct np_view *view)
{
	if (view->policy && view->policy->flags & NP_POLICY_FAIL_CLOSED) {
		np_count(skb, view, NP_DROPPED_ENGINE);
		return TC_ACT_SHOT;
	}
	np_count(skb, view, NP_BYPASSED);
	np_count(skb, view, NP_PASSED);
	return NP_GO_ON;
}

static __noinline int np_detour(struct __sk_buff *skb, struct np_view *view, __u8 flags,
				__u8 queue, __u8 priority)
{
	__u64 now = bpf_ktime_get_ns();
	const struct np_engine_state *engine = np_engine(now);

	if (!engine)
		return np_bypass(skb, view);
	if (flags & NP_DETOUR_TOO_BIG)
		np_count(skb, view, NP_TOO_BIG);
	np_count(skb, view, NP_DETOURED);
	np_count(skb, view, NP_PASSED);
	return np_send_to_engine(skb, view, engine, now, flags, queue, priority);
}

/* No conditions for this packet: straight on, unless it would overtake. */
static __always_inline int np_straight(struct __sk_buff *skb, struct np_view *view, __u8 queue,
				       __u8 priority)
{
	if (np_lane_is_busy(view) && np_engine(bpf_ktime_get_ns()))
		return np_detour(skb, view, NP_DETOUR_PASS, queue, priority);
	np_count(skb, view, NP_PASSED);
	return NP_GO_ON;
}

static __always_inline int np_apply(struct __sk_buff *skb, struct np_view *view,
				    struct np_packet *packet, __u32 verdict)
{
	const struct np_policy *policy = view->policy;
	__u32 reason = verdict & 255, queue = verdict >> 8 & 255;
	__u8 priority = np_priority(policy, queue), flags = 0;

	if (reason != NP_PASSED) {
		np_count(skb, view, reason);
		return TC_ACT_SHOT;
	}
	skb->priority = priority;
	if (np_is_too_big(skb, view, packet))
		flags |= NP_DETOUR_TOO_BIG;
	if (policy->dscp != NP_NO_DSCP)
		np_write_dscp(skb, packet, policy->dscp & 63);
	if (flags || policy->flags & (NP_POLICY_CONDITIONS_EGRESS << view->direction))
		return np_detour(skb, view, flags, queue, priority);
	return np_straight(skb, view, queue, priority);
}

static __always_inline int np_first_pass(struct __sk_buff *skb, struct np_view *view)
{
	struct np_packet packet = {};
	__u32 verdict;

	if (!view->policy) {
		np_note_untracked(view);
		np_parse_ethernet(skb, &packet);
		np_measure(skb, view, &packet);
		return np_straight(skb, view, NP_QUEUE_DEFAULT, skb->priority & 7);
	}
	verdict = np_decide(skb, view, &packet);
	if ((verdict & 255) == NP_PASSED)
		np_measure(skb, view, &packet);
	return np_apply(skb, view, &packet, verdict);
}

static __always_inline int np_pass(struct __sk_buff *skb, __u32 direction)
{
	struct np_view view = {};
	int action;

	if (np_is_second_pass(skb)) {
		np_end_second_pass(skb);
		return NP_GO_ON;
	}
	view.probe = np_take_probe(skb);
	if (!np_look(skb, direction, &view))
		return view.probe ? TC_ACT_SHOT : NP_GO_ON;
	if (view.probe == NP_PROBE_OPENING)
		return np_capture(skb, view.attachment, direction, view.generation,
				  np_decide_opening(skb, &view));
	action = np_first_pass(skb, &view);
	if (action == NP_GO_ON && view.probe)
		return np_capture(skb, view.attachment, direction, view.generation, 0);
	return action;
}

static __always_inline int np_inject(struct __sk_buff *skb)
{
	struct np_probe_target target;

	if (skb->protocol != bpf_htons(NP_ETHERTYPE_PROBE) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &target, sizeof(target)))
		return TC_ACT_SHOT;
	skb->mark = NP_MARK_PROBE;
	return np_go_on(bpf_ntohs(target.attachment_be),
			target.direction == NP_INGRESS ? NP_INGRESS : NP_EGRESS);
}

SEC("tc")
int np_egress(struct __sk_buff *skb)
{
	return np_pass(skb, NP_EGRESS);
}

SEC("tc")
int np_ingress(struct __sk_buff *skb)
{
	return np_pass(skb, NP_INGRESS);
}

SEC("tc")
int np_return(struct __sk_buff *skb)
{
	return np_return_from_engine(skb);
}

SEC("tc")
int np_probe(struct __sk_buff *skb)
{
	return np_inject(skb);
}

char LICENSE[] SEC("license") = "GPL";
