/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the policy half writes into a packet: the DSCP, RFC 2474. */
#ifndef NETPERSONA_REWRITE_H
#define NETPERSONA_REWRITE_H

#include "parse.h"

#define NP_IPV4_CHECKSUM_OFFSET 10
#define NP_ECN_MASK 3 /* RFC 3168: the low two bits are not ours */

static __always_inline void np_write_dscp_ipv4(struct __sk_buff *skb, __u32 network, __u8 dscp)
{
	__u8 old[2], new[2];
	__u16 from, to;

	if (np_load(skb, network, old, sizeof(old)))
		return;
	new[0] = old[0];
	new[1] = dscp << 2 | (old[1] & NP_ECN_MASK);
	if (new[1] == old[1])
		return;
	__builtin_memcpy(&from, old, sizeof(from));
	__builtin_memcpy(&to, new, sizeof(to));
	if (!bpf_l3_csum_replace(skb, network + NP_IPV4_CHECKSUM_OFFSET, from, to, sizeof(to)))
		bpf_skb_store_bytes(skb, network, new, sizeof(new), 0);
}

static __always_inline void np_write_dscp_ipv6(struct __sk_buff *skb, __u32 network, __u8 dscp)
{
	__u16 old, new;

	if (np_load(skb, network, &old, sizeof(old)))
		return;
	new = bpf_htons((bpf_ntohs(old) & ~(63 << 6)) | dscp << 6);
	if (new != old)
		bpf_skb_store_bytes(skb, network, &new, sizeof(new), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline void np_write_dscp(struct __sk_buff *skb, const struct np_packet *packet,
					  __u8 dscp)
{
	if (packet->family == 4)
		np_write_dscp_ipv4(skb, packet->network, dscp);
	else if (packet->family == 6)
		np_write_dscp_ipv6(skb, packet->network, dscp);
}

#endif
