/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Measured conditions: round trip, retransmission and reordering of the TCP that
 * passes, without a probe and without keeping more than a cache line a connection.
 *
 * A connection is followed in one place of its attachment's own; one that finds it
 * taken is not. So whoever sends whatever, through one attachment, spoils at most
 * what is measured of that one. */
#ifndef NETPERSONA_MEASURE_H
#define NETPERSONA_MEASURE_H

#include "parse.h"
#include "view.h"

#define NP_SAMPLED_IDLE_NS 1000000000 /* then its place may be taken */
#define NP_FAR (1 << 24)              /* further from what was seen, a sequence number is no news of it */
#define NP_LONGEST_US ((1 << 26) - 1)
#define NP_REORDERING_US 3000         /* least that a retransmission takes, where no round trip is known */
#define NP_TCP_STAMPED bpf_htonl(0x0101080a) /* RFC 7323 appendix A: NOP, NOP, timestamps */

struct np_tcp {
	__u16 source_be, destination_be;
	__u32 sequence_be, acknowledged_be;
	__u8 offset, flags;
	__u16 window_be, checksum, urgent;
};
struct np_tcp_stamp {
	__u32 kind, value_be;
};

/* One direction of a connection; 0 in what is not known. Times are of CLOCK_MONOTONIC,
 * microseconds that wrap. */
struct np_course {
	__u32 next;          /* sequence number behind the highest seen */
	__u32 missing;       /* from here on something was missing last … */
	__u32 contiguous;    /* … up to here, and from here to next nothing … */
	__u32 missed_us;     /* … when this was seen … */
	__u32 missed_stamp;  /* … by a segment with this timestamp (RFC 7323), 0: none */
	__u32 awaited;       /* the acknowledgement that ends the sample … */
	__u32 sent_us;       /* … and when it began; 0: none is under way */
	__u32 round_trip_us; /* the last sample */
};

struct np_sampled {
	__u32 flow; /* hash; 0: vacant */
	__u32 seen; /* view.now >> 20, of the last packet */
	struct np_course course[2]; /* by direction */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NP_MAX_ATTACHMENTS * NP_SAMPLED_FLOWS);
	__type(key, __u32);
	__type(value, struct np_sampled);
} sampled_flows SEC(".maps");

/* What one packet says. */
struct np_segment {
	__u32 sequence;
	__u32 acknowledged;
	__u32 length; /* of data */
	__u32 size;   /* of one segment's data */
	__u32 stamp_at; /* 0: no timestamp */
	__u8 flags;
};

static __always_inline __u32 np_now_us(void)
{
	__u32 now = bpf_ktime_get_ns() / 1000;

	return now ?: 1;
}

/* See np_round_trips. */
static __always_inline __u32 np_time_bucket(__u32 us)
{
	__u32 e = 0, rest;

	if (us > NP_LONGEST_US)
		us = NP_LONGEST_US;
	rest = us >> 5;
	for (int step = 16; step; step /= 2) {
		if (rest >> step) {
			e += step;
			rest >>= step;
		}
	}
	e += rest;
	return e * 16 + (us >> e);
}

static __always_inline __u32 np_flow_hash(const struct np_view *view, const struct np_packet *packet)
{
	int out = view->direction == NP_EGRESS;
	const __u32 *workload = out ? packet->source : packet->destination;
	const __u32 *peer = out ? packet->destination : packet->source;
	__u64 hash = (__u64)(out ? packet->source_port : packet->destination_port) << 16 |
		     (out ? packet->destination_port : packet->source_port);

	hash = (hash << 32 | view->life) * 0x9e3779b97f4a7c15ULL;
	hash = (hash ^ hash >> 29 ^ ((__u64)workload[0] << 32 | peer[0])) * 0xbf58476d1ce4e5b9ULL;
	if (packet->family == 6) {
		for (int i = 1; i < 4; i++)
			hash = (hash ^ hash >> 29 ^ ((__u64)workload[i] << 32 | peer[i])) *
			       0xbf58476d1ce4e5b9ULL;
	}
	return (__u32)(hash >> 32) ?: 1;
}

/* Data length by the IP header: a short frame is padded. Big TCP has no length there. */
static __always_inline int np_read_segment(struct __sk_buff *skb, const struct np_packet *packet,
					   struct np_segment *segment)
{
	__u32 end = packet->transport, length_at = packet->network + (packet->family == 4 ? 2 : 4);
	struct np_tcp tcp;
	__u16 length_be;

	if (np_load(skb, packet->transport, &tcp, sizeof(tcp)) ||
	    np_load(skb, length_at, &length_be, sizeof(length_be)))
		return -1;
	end = packet->network + bpf_ntohs(length_be) + (packet->family == 6 ? 40 : 0);
	if (!length_be)
		end = skb->len;
	segment->flags = tcp.flags;
	segment->sequence = bpf_ntohl(tcp.sequence_be);
	segment->acknowledged = bpf_ntohl(tcp.acknowledged_be);
	length_at = packet->transport + (tcp.offset >> 4) * 4;
	segment->length = end > length_at && end <= skb->len ? end - length_at : 0;
	segment->size = skb->gso_size ?: segment->length;
	segment->stamp_at = tcp.offset >> 4 >= 8 ? packet->transport + sizeof(tcp) : 0;
	return 0;
}

static __always_inline __u32 np_read_stamp(struct __sk_buff *skb, const struct np_segment *segment)
{
	struct np_tcp_stamp stamp;

	if (!segment->stamp_at || np_load(skb, segment->stamp_at, &stamp, sizeof(stamp)))
		return 0;
	return stamp.kind == NP_TCP_STAMPED ? bpf_ntohl(stamp.value_be) : 0;
}

/* A connection takes a place by its opening from within, or by data: what a flood of
 * openings from outside is made of takes none. */
static __always_inline int np_may_be_sampled(const struct np_view *view, const struct np_segment *segment)
{
	if (segment->flags & NP_TCP_RST)
		return 0;
	if (segment->flags & NP_TCP_SYN)
		return view->direction == NP_EGRESS && !(segment->flags & NP_TCP_ACK);
	return segment->length > 0;
}

static __always_inline struct np_sampled *np_sampled_flow(const struct np_view *view,
							  const struct np_packet *packet,
							  const struct np_segment *segment)
{
	__u32 flow = np_flow_hash(view, packet), seen = view->now >> 20;
	__u32 place = view->attachment * NP_SAMPLED_FLOWS + flow % NP_SAMPLED_FLOWS;
	struct np_sampled *sampled = bpf_map_lookup_elem(&sampled_flows, &place);

	if (!sampled)
		return 0;
	if (sampled->flow != flow) {
		if (sampled->flow && seen - sampled->seen <= NP_SAMPLED_IDLE_NS >> 20)
			return 0;
		if (!np_may_be_sampled(view, segment))
			return 0;
		__builtin_memset(sampled->course, 0, sizeof(sampled->course));
		sampled->flow = flow;
	}
	if (sampled->seen != seen)
		sampled->seen = seen;
	return sampled;
}

static __noinline void np_note_round_trip(const struct np_view *view, struct np_course *course)
{
	__u32 taken = np_now_us() - READ_ONCE(course->sent_us), before = course->round_trip_us;
	__u32 index = view->attachment * 2 + !view->direction, bucket = np_time_bucket(taken);
	struct np_round_trips *trips = bpf_map_lookup_elem(&round_trips, &index);
	struct np_tcp_counts *counts = bpf_map_lookup_elem(&tcp_counts, &index);

	WRITE_ONCE(course->sent_us, 0);
	if (!trips || !counts || taken > NP_LONGEST_US || bucket >= NP_TIME_BUCKETS)
		return;
	__sync_fetch_and_add(&trips->histogram[bucket], 1);
	if (before) {
		__sync_fetch_and_add(&trips->variations, 1);
		__sync_fetch_and_add(&trips->variation_us, taken > before ? taken - before : before - taken);
	}
	course->round_trip_us = taken ?: 1;
	counts->round_trips++;
}

/* What acknowledges more than was sent is forged, or of another connection. */
static __always_inline void np_note_acknowledgement(const struct np_view *view, struct np_course *course,
						    const struct np_segment *segment)
{
	__u32 acknowledged = segment->acknowledged;

	if (segment->flags & NP_TCP_ACK && READ_ONCE(course->sent_us) &&
	    (__s32)(acknowledged - course->awaited) >= 0 && (__s32)(acknowledged - course->next) <= 0)
		np_note_round_trip(view, course);
}

static __always_inline void np_begin_sample(struct np_course *course, __u32 awaited)
{
	if (READ_ONCE(course->sent_us))
		return;
	course->awaited = awaited;
	WRITE_ONCE(course->sent_us, np_now_us());
}

static __always_inline void np_note_opening(struct np_sampled *sampled, struct np_course *course,
					    const struct np_segment *segment)
{
	__u32 next = segment->sequence + 1;

	if (course->next == next) {
		WRITE_ONCE(course->sent_us, 0); /* again, so that an answer would be to either (Karn) */
		return;
	}
	if (segment->flags & NP_TCP_ACK)
		__builtin_memset(course, 0, sizeof(*course));
	else
		__builtin_memset(sampled->course, 0, sizeof(sampled->course));
	course->next = course->contiguous = next;
	np_begin_sample(course, next);
}

/* Whether what begins below the highest seen came late rather than twice. What was not
 * missing cannot have. What came late was sent before the segment that showed it missing,
 * a retransmission at least a round trip after. Where their timestamps do not tell, time
 * does, of what was missing last: reordering that TCP bears takes a quarter of a round trip
 * (RFC 8985 section 6.2). */
static __always_inline int np_is_reordered(struct __sk_buff *skb, const struct np_sampled *sampled,
					   const struct np_course *course,
					   const struct np_segment *segment)
{
	__u32 both = sampled->course[0].round_trip_us + sampled->course[1].round_trip_us, stamp;

	if ((__s32)(segment->sequence - course->contiguous) >= 0)
		return 0;
	stamp = np_read_stamp(skb, segment);
	if (stamp && course->missed_stamp && stamp != course->missed_stamp)
		return (__s32)(stamp - course->missed_stamp) < 0;
	return (__s32)(segment->sequence - course->missing) >= 0 &&
	       np_now_us() - course->missed_us < (both ? both / 2 : NP_REORDERING_US);
}

static __always_inline __u32 np_segments_of(__u32 length, __u32 size)
{
	return size ? (length + size - 1) / size : 1;
}

static __noinline void np_note_going_back(struct __sk_buff *skb, const struct np_sampled *sampled,
					  struct np_course *course, const struct np_segment *segment,
					  struct np_tcp_counts *counts)
{
	__u32 end = segment->sequence + segment->length, known = course->next - segment->sequence;

	known = np_segments_of(known < segment->length ? known : segment->length, segment->size);
	if (np_is_reordered(skb, sampled, course, segment)) {
		counts->reordered += known;
		return;
	}
	counts->retransmitted += known;
	WRITE_ONCE(course->sent_us, 0); /* Karn */
	if ((__s32)(end - course->next) > 0)
		course->next = end;
}

static __always_inline void np_note_data(struct __sk_buff *skb, const struct np_view *view,
					 const struct np_sampled *sampled, struct np_course *course,
					 const struct np_segment *segment)
{
	__u32 sequence = segment->sequence, end = sequence + segment->length;
	__s32 ahead = sequence - course->next;
	__u32 index = view->attachment * 2 + view->direction;
	struct np_tcp_counts *counts = bpf_map_lookup_elem(&tcp_counts, &index);

	if (!counts || (segment->length == 1 && ahead == -1))
		return; /* RFC 9293 section 3.8.4: a keep-alive with garbage, or a probe of a closed window */
	if (!course->next || ahead > NP_FAR || ahead < -NP_FAR) {
		course->next = end;
		course->contiguous = sequence;
		WRITE_ONCE(course->sent_us, 0);
		return; /* whether it was sent before is not known */
	}
	counts->segments += np_segments_of(segment->length, segment->size);
	if (ahead < 0)
		return np_note_going_back(skb, sampled, course, segment, counts);
	if (ahead > 0) {
		course->missing = course->next;
		course->contiguous = sequence;
		course->missed_us = np_now_us();
		course->missed_stamp = np_read_stamp(skb, segment);
	}
	course->next = end;
	np_begin_sample(course, sequence + (segment->size < segment->length ? segment->size : segment->length));
}

/* Out of line: packets that are not TCP do not come here. */
static __noinline void np_measure_tcp(struct __sk_buff *skb, const struct np_view *view,
				      const struct np_packet *packet)
{
	struct np_segment segment = {};
	struct np_sampled *sampled;
	struct np_course *course;

	if (np_read_segment(skb, packet, &segment))
		return;
	sampled = np_sampled_flow(view, packet, &segment);
	if (!sampled)
		return;
	course = &sampled->course[view->direction & 1];
	np_note_acknowledgement(view, &sampled->course[!view->direction], &segment);
	if (segment.flags & NP_TCP_SYN)
		np_note_opening(sampled, course, &segment);
	else if (segment.length)
		np_note_data(skb, view, sampled, course, &segment);
}

/* A packet that goes on, as the workload or its peer sent it: before the engine has
 * delayed it, so that a round trip holds what the engine adds. */
static __always_inline void np_measure(struct __sk_buff *skb, const struct np_view *view,
				       struct np_packet *packet)
{
	if (view->probe || !packet->family)
		return;
	if (!packet->transport && np_parse_ip(skb, packet, 0) != NP_PARSED)
		return;
	if (packet->protocol == IPPROTO_TCP && packet->fragment == NP_WHOLE)
		np_measure_tcp(skb, view, packet);
}

#endif
