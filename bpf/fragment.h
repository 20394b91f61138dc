/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Later fragments carry no ports: they follow the first one of their datagram. */
#ifndef NETPERSONA_FRAGMENT_H
#define NETPERSONA_FRAGMENT_H

#include "flow.h"

#define NP_FRAGMENT_NS (60 * NP_SECOND) /* RFC 8200 section 4.5: reassembly time */

struct np_fragment_key {
	__u32 source[4];
	__u32 destination[4];
	__u32 id;
	__u32 life;
	__u8 direction;
	__u8 family;
	__u8 protocol;
	__u8 zero;
};

struct np_fragment {
	__u64 seen_ns;
	__u32 verdict;
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NP_MAX_FRAGMENTS);
	__type(key, struct np_fragment_key);
	__type(value, struct np_fragment);
} fragments SEC(".maps");

static __always_inline void np_fragment_key(struct np_fragment_key *key, const struct np_view *view,
					    const struct np_packet *packet)
{
	__builtin_memcpy(key->source, packet->source, 16);
	__builtin_memcpy(key->destination, packet->destination, 16);
	key->id = packet->fragment_id;
	key->life = view->life;
	key->direction = view->direction;
	key->family = packet->family;
	/* IPv6 names the transport only in the first fragment for sure */
	key->protocol = packet->family == 4 ? packet->protocol : 0;
}

static __noinline void np_remember_fragment(const struct np_view *view,
					    const struct np_packet *packet, __u32 verdict)
{
	struct np_fragment fragment = {.seen_ns = view->now, .verdict = verdict};
	struct np_fragment_key key = {};

	np_fragment_key(&key, view, packet);
	bpf_map_update_elem(&fragments, &key, &fragment, BPF_ANY);
}

static __noinline __u32 np_filter_later_fragment(const struct np_view *view,
						const struct np_packet *packet)
{
	const struct np_fragment *first;
	struct np_fragment_key key = {};

	np_fragment_key(&key, view, packet);
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first || (__s64)(view->now - first->seen_ns) > (__s64)NP_FRAGMENT_NS)
		return np_verdict(NP_DROPPED_FRAGMENT, NP_QUEUE_DEFAULT);
	return first->verdict;
}

#endif
