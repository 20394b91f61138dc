/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A flow as it was opened, against profile and filtering rules. */
#ifndef NETPERSONA_FILTER_H
#define NETPERSONA_FILTER_H

#include "parse.h"
#include "view.h"

/* reason | queue << 8 */
static __always_inline __u32 np_verdict(__u32 reason, __u32 queue)
{
	return reason | queue << 8;
}
#define NP_VERDICT_PASS np_verdict(NP_PASSED, NP_QUEUE_DEFAULT)

/* A packet seen as the first of its flow: addresses and ports run from the
 * opener to the one it opened to. */
struct np_opening {
	const struct np_policy *policy;
	const __u32 *source;
	const __u32 *destination;
	__u16 source_port;
	__u16 port;
	__u8 family;
	__u8 protocol;
	__u8 has_ports;
	__u8 direction; /* NP_MATCH_* of the opener */
	__u32 first;    /* rule the search starts at */
	__u32 found;    /* rule that matched, or NP_NO_RULE */
};
#define NP_NO_RULE 0xffffffff

/* The first `bits` bits of two addresses in network order are equal. */
static __always_inline int np_prefix_matches(const __u32 *address, const __u32 *prefix, __u32 bits)
{
	for (int i = 0; i < 4; i++) {
		__u32 difference = address[i] ^ prefix[i];

		if (bits < 32) {
			__u32 mask = bits ? ~0u << (32 - bits) : 0;

			return !(bpf_ntohl(difference) & mask);
		}
		if (difference)
			return 0;
		bits -= 32;
	}
	return 1;
}

static __always_inline int np_protocol_matches(const struct np_rule *rule,
					       const struct np_opening *opening)
{
	if (rule->family && rule->family != opening->family)
		return 0;
	if (!rule->protocol || rule->protocol == opening->protocol)
		return 1;
	return rule->protocol == IPPROTO_ICMP && !rule->family && opening->family == 6 &&
	       opening->protocol == IPPROTO_ICMPV6;
}

static __always_inline int np_port_matches(__u16 port, int has_ports, __u16 low, __u16 high)
{
	if (!low && high == 65535)
		return 1;
	return has_ports && port >= low && port <= high;
}

static __always_inline int np_rule_matches(const struct np_rule *rule,
					   const struct np_opening *opening)
{
	if (!(rule->direction & opening->direction) || !np_protocol_matches(rule, opening))
		return 0;
	if (!np_port_matches(opening->port, opening->has_ports, rule->port_low, rule->port_high) ||
	    !np_port_matches(opening->source_port, opening->has_ports, rule->source_port_low,
			     rule->source_port_high))
		return 0;
	if (rule->source_prefix &&
	    !np_prefix_matches(opening->source, rule->source_be, rule->source_prefix))
		return 0;
	return !rule->destination_prefix ||
	       np_prefix_matches(opening->destination, rule->destination_be,
				 rule->destination_prefix);
}

static long np_try_rule(__u32 i, void *context)
{
	struct np_opening *opening = context;
	__u32 rule = opening->first + i;

	if (rule >= NP_MAX_RULES + NP_MAX_PROFILE_RULES)
		return 1;
	if (!np_rule_matches(&opening->policy->rules[rule], opening))
		return 0;
	opening->found = rule;
	return 1;
}

static __always_inline __u32 np_first_match(struct np_opening *opening, __u32 first, __u32 count)
{
	opening->first = first;
	opening->found = NP_NO_RULE;
	if (count)
		bpf_loop(count, np_try_rule, opening, 0);
	return opening->found;
}

/* ARCHITECTURE.md, "Order of judgement", 3 and 4. */
static __noinline __u32 np_filter_opening(struct np_opening *opening)
{
	const struct np_policy *policy = opening->policy;
	const struct np_rule *rule;
	__u32 found;

	if (policy->flags & NP_POLICY_PROFILE && opening->direction == NP_MATCH_INGRESS &&
	    np_first_match(opening, policy->rule_count, policy->profile_count) == NP_NO_RULE)
		return np_verdict(NP_DROPPED_PROFILE, NP_QUEUE_DEFAULT);
	found = np_first_match(opening, 0, policy->rule_count);
	if (found >= NP_MAX_RULES + NP_MAX_PROFILE_RULES)
		return np_verdict(policy->default_action == NP_DROP ? NP_DROPPED_DEFAULT : NP_PASSED,
				  NP_QUEUE_DEFAULT);
	rule = &policy->rules[found];
	return np_verdict(rule->action == NP_DROP ? NP_DROPPED_RULE : NP_PASSED, rule->queue);
}

/* Filter `packet`, travelling in `direction`, as part of a flow opened by the
 * sender in direction `origin`. */
static __always_inline __u32 np_filter(struct np_view *view, const struct np_packet *packet,
				      __u32 direction, __u32 origin)
{
	struct np_opening opening = {
		.policy = view->policy,
		.family = packet->family,
		.protocol = packet->protocol,
		.has_ports = packet->has_ports,
		.direction = origin == NP_EGRESS ? NP_MATCH_EGRESS : NP_MATCH_INGRESS,
	};

	if (direction == origin) {
		opening.source = packet->source;
		opening.destination = packet->destination;
		opening.source_port = packet->source_port;
		opening.port = packet->destination_port;
	} else {
		opening.source = packet->destination;
		opening.destination = packet->source;
		opening.source_port = packet->destination_port;
		opening.port = packet->source_port;
	}
	return np_filter_opening(&opening);
}

#endif
