/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What one packet is decided by: read once, at the start, and nowhere again. */
#ifndef NETPERSONA_VIEW_H
#define NETPERSONA_VIEW_H

#include "maps.h"

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

/* Loads after it are not done before loads before it. BPF has load-acquire only
 * from Linux 6.15 and clang 20 on, and on arm64 neither the branch between two
 * loads nor READ_ONCE orders them; an exchange, fully ordered on every
 * architecture (Linux 5.12), does. It is made on our own stack, because one on
 * the word itself would take its cache line away from the engine. */
static __always_inline void np_order_loads(void)
{
	__u64 own = 0, *word = &own;

	asm volatile("" : "+r"(word) : : "memory"); /* or the compiler would see nobody else has it */
	__sync_lock_test_and_set(word, 0);
}

enum np_probe { NP_NO_PROBE, NP_PROBE_LINK, NP_PROBE_OPENING };

struct np_view {
	const struct np_policy *policy; /* null: slot 0 */
	struct np_counters *counters;
	struct np_lane *lane;
	__u64 now; /* np_tick_ns: a cheaper clock, good enough for idle times */
	__u32 attachment;
	__u32 life; /* of the attachment: its number is given again, this is not */
	__u32 direction;
	__u32 generation;
	__u32 slot;
	__u32 probe; /* enum np_probe: injected by us, so no packet of the workload's */
};

/* Why a packet did not simply pass; also the order of struct np_counters. */
enum np_reason {
	NP_PASSED,
	NP_DROPPED_RULE,
	NP_DROPPED_DEFAULT,
	NP_DROPPED_PROFILE,
	NP_DROPPED_FRAGMENT,
	NP_DROPPED_ENGINE,
	NP_TOO_BIG,
	NP_DETOURED,
	NP_BYPASSED,
	NP_DROPPED_MALFORMED,
	NP_REASONS,
};
_Static_assert(__builtin_offsetof(struct np_counters, dropped_engine) ==
		       NP_DROPPED_ENGINE * sizeof(struct np_tally),
	       "enum np_reason follows struct np_counters");
_Static_assert(__builtin_offsetof(struct np_counters, flows_created) ==
		       NP_REASONS * sizeof(struct np_tally),
	       "enum np_reason follows struct np_counters");

/* What a TAP gives has no count of its segments. Its headers are taken for those of TCP over IPv4. */
static __always_inline __u32 np_segments(const struct __sk_buff *skb)
{
	if (skb->gso_segs)
		return skb->gso_segs;
	return skb->gso_size && skb->len > 66 ? (skb->len - 66 + skb->gso_size - 1) / skb->gso_size : 1;
}

static __always_inline void np_count(struct __sk_buff *skb, struct np_view *view, __u32 reason)
{
	struct np_tally *tally = (struct np_tally *)view->counters;

	if (reason >= NP_REASONS || view->probe)
		return;
	tally[reason].packets += np_segments(skb);
	tally[reason].bytes += skb->len;
}

/* The word in force: the active one, or its fallback once its lease is over.
 * Both words of a lease were written before the active word was stored. */
static __always_inline __u64 np_word_in_force(const struct np_binding *binding,
					      struct np_view *view)
{
	__u64 word = READ_ONCE(binding->active);
	const struct np_lease *lease = &binding->lease[(word >> 33) % NP_LEASES];
	__u64 expires = READ_ONCE(lease->expires_ns);

	if (!expires || bpf_ktime_get_ns() < expires)
		return word;
	view->counters->expired += !view->probe;
	return READ_ONCE(lease->fallback);
}

/* Proof of application: which generation decided packets here last. */
static __always_inline void np_prove(struct np_view *view)
{
	struct np_counters *counters = view->counters;

	if (view->probe)
		return;
	if (counters->generation != view->generation) {
		counters->generation = view->generation;
		counters->generation_packets = 0;
	}
	counters->generation_packets++;
}

/* As of the last tick, never ahead. The clock is asked once a tick: which tick it
 * is costs a load (bpf_jiffies64), the clock a call of 16 ns. */
static __always_inline __u64 np_tick_ns(void)
{
	__u32 zero = 0;
	struct np_tick *tick = bpf_map_lookup_elem(&ticks, &zero);
	__u64 jiffies = bpf_jiffies64();

	if (!tick)
		return bpf_ktime_get_coarse_ns(); /* Linux 5.11 */
	if (tick->jiffies != jiffies) {
		tick->now = bpf_ktime_get_coarse_ns();
		tick->jiffies = jiffies;
	}
	return tick->now;
}

static __noinline __u32 np_find_attachment(__u32 ifindex, __u32 *hint)
{
	const struct np_attachment *found = bpf_map_lookup_elem(&attachments, &ifindex);

	return found ? *hint = found->attachment : 0;
}

/* Of the interface; null if it is no attachment of ours. The hint spares nearly
 * every packet a look-up in a hash table. */
static __always_inline const struct np_binding *np_find_binding(__u32 ifindex, __u32 *attachment)
{
	__u32 place = ifindex % NP_HINTS, *hint = bpf_map_lookup_elem(&hints, &place);
	const struct np_binding *binding;

	if (!hint)
		return 0;
	*attachment = READ_ONCE(*hint);
	binding = bpf_map_lookup_elem(&bindings, attachment);
	if (binding && binding->ifindex == ifindex)
		return binding;
	*attachment = np_find_attachment(ifindex, hint);
	return *attachment ? bpf_map_lookup_elem(&bindings, attachment) : 0;
}

/* 0 if the interface is no attachment of ours. */
static __always_inline int np_look(struct __sk_buff *skb, __u32 direction, struct np_view *view)
{
	const struct np_binding *binding = np_find_binding(skb->ifindex, &view->attachment);
	__u32 index = view->attachment * 2 + direction;
	__u64 word;

	view->counters = bpf_map_lookup_elem(&counters, &index);
	view->lane = bpf_map_lookup_elem(&lanes, &index);
	if (!binding || !view->counters || !view->lane)
		return 0;
	view->life = binding->life;
	view->direction = direction;
	view->now = np_tick_ns();
	word = np_word_in_force(binding, view);
	view->generation = word >> 32;
	view->slot = word;
	view->policy = view->slot ? bpf_map_lookup_elem(&policies, &view->slot) : 0;
	np_prove(view);
	return 1;
}

#endif
