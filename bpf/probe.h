/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Probes: injected at an attachment, captured where they would leave. */
#ifndef NETPERSONA_PROBE_H
#define NETPERSONA_PROBE_H

#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>

#include "maps.h"

/* Behind the Ethernet header; the rest is the sender's. Mirrored in
 * src/netpersona/datapath/prober.py. */
struct np_probe_target {
	__u16 attachment_be;
	__u8 direction;
	__u8 zero;
};

/* Whether the packet is a probe on its way from np_inject to its attachment. */
static __always_inline __u32 np_take_probe(struct __sk_buff *skb)
{
	if (skb->mark != NP_MARK_PROBE)
		return 0;
	skb->mark = 0;
	return 1;
}

static __noinline int np_capture(struct __sk_buff *skb, __u32 attachment, __u32 direction,
				 __u32 generation)
{
	struct np_probe_event *event = bpf_ringbuf_reserve(&probes, sizeof(*event), 0);

	if (!event)
		return TC_ACT_SHOT;
	event->captured_ns = bpf_ktime_get_ns();
	event->attachment = attachment;
	event->direction = direction;
	event->length = skb->len;
	event->generation = generation;
	if (bpf_skb_load_bytes(skb, 0, event->head, sizeof(event->head)))
		bpf_ringbuf_discard(event, 0); /* shorter than any probe of ours */
	else
		bpf_ringbuf_submit(event, 0);
	return TC_ACT_SHOT;
}

#endif
