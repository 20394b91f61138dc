/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The maps. Their values are laid out in layout.h, or are the kernel programs'
 * own: those of flows and fragments are declared beside their code. */
#ifndef NETPERSONA_MAPS_H
#define NETPERSONA_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"

#define NP_SHARED_ARRAY(name_, type_, entries_)                 \
	struct {                                                \
		__uint(type, BPF_MAP_TYPE_ARRAY);               \
		__uint(map_flags, BPF_F_MMAPABLE);              \
		__uint(max_entries, entries_);                  \
		__type(key, __u32);                             \
		__type(value, type_);                           \
	} name_ SEC(".maps")

NP_SHARED_ARRAY(bindings, struct np_binding, NP_MAX_ATTACHMENTS);
NP_SHARED_ARRAY(lanes, struct np_lane, NP_MAX_ATTACHMENTS * 2);
NP_SHARED_ARRAY(engine_state, struct np_engine_state, 1);
NP_SHARED_ARRAY(policies, struct np_policy, NP_MAX_SLOTS);
/* The engine's; here so that one object makes all maps. */
NP_SHARED_ARRAY(conditions, struct np_conditions, NP_MAX_SLOTS);
NP_SHARED_ARRAY(lane_stats, struct np_lane_stats, NP_MAX_ATTACHMENTS * 2);
NP_SHARED_ARRAY(engine_stats, struct np_engine_stats, 1);

NP_SHARED_ARRAY(lane_delays, struct np_lane_delays, NP_MAX_ATTACHMENTS * 2);
NP_SHARED_ARRAY(round_trips, struct np_round_trips, NP_MAX_ATTACHMENTS * 2);

NP_SHARED_ARRAY(build, struct np_build, 1);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NP_MAX_ATTACHMENTS);
	__type(key, __u32); /* ifindex */
	__type(value, struct np_attachment);
} attachments SEC(".maps");

/* By ifindex % NP_HINTS: the attachment last found for such an interface. To be
 * believed only if its binding names the interface. */
#define NP_HINTS 4096
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NP_HINTS);
	__type(key, __u32);
	__type(value, __u32);
} hints SEC(".maps");

/* The time of the last tick, as this CPU read it. */
struct np_tick {
	__u64 jiffies;
	__u64 now;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct np_tick);
} ticks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NP_MAX_ATTACHMENTS * 2);
	__type(key, __u32);
	__type(value, struct np_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NP_MAX_ATTACHMENTS * 2);
	__type(key, __u32);
	__type(value, struct np_tcp_counts);
} tcp_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22); /* about 25,000 probes waiting to be read */
} probes SEC(".maps");

#endif
