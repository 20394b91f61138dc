/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Probes: injected at an attachment, captured where they would leave. */
#ifndef NETPERSONA_PROBE_H
#define NETPERSONA_PROBE_H

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>

#include "view.h"

/* Behind the Ethernet header; the rest is the sender's. Mirrored in
 * src/netpersona/datapath/programs/prober.py. */
struct np_probe_target {
	__u16 attachment_be;
	__u8 direction;
	__u8 kind; /* np_view.probe, or 0 for NP_PROBE_LINK */
};

/* An opening carries the headers of an IP packet here, and is answered with
 * what profile and rules would make of that packet as the first of its flow. */
#define NP_PROBE_PACKET 54

/* What np_inject sent to this attachment; NP_NO_PROBE for a packet of the workload's. */
static __always_inline __u32 np_take_probe(struct __sk_buff *skb)
{
	struct np_probe_target target = {};

	if (skb->mark != NP_MARK_PROBE)
		return NP_NO_PROBE;
	skb->mark = 0;
	bpf_skb_load_bytes(skb, ETH_HLEN, &target, sizeof(target));
	return target.kind == NP_PROBE_OPENING ? NP_PROBE_OPENING : NP_PROBE_LINK;
}

static __noinline int np_capture(struct __sk_buff *skb, __u32 attachment, __u32 direction,
				 __u32 generation, __u32 verdict)
{
	struct np_probe_event *event = bpf_ringbuf_reserve(&probes, sizeof(*event), 0);

	if (!event)
		return TC_ACT_SHOT;
	event->captured_ns = bpf_ktime_get_ns();
	event->attachment = attachment;
	event->direction = direction;
	event->length = skb->len;
	event->generation = generation;
	event->verdict = verdict;
	event->zero = 0;
	if (bpf_skb_load_bytes(skb, 0, event->head, sizeof(event->head)))
		bpf_ringbuf_discard(event, 0); /* shorter than any probe of ours */
	else
		bpf_ringbuf_submit(event, 0);
	return TC_ACT_SHOT;
}

#endif
