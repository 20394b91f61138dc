/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the policy half writes into a packet: the DSCP, RFC 2474. */
#ifndef NETPERSONA_REWRITE_H
#define NETPERSONA_REWRITE_H

#include "parse.h"

#define NP_ECN_MASK 3 /* RFC 3168: the low two bits are not ours */

/* The first words of an IPv4 header, to its checksum. */
struct np_ipv4_front {
	__u8 version_ihl, tos;
	__u16 middle[4];
	__u16 checksum_be;
};

/* RFC 1624: the checksum after one word of what it covers has changed. */
static __always_inline __u16 np_checksum_of(__u16 checksum_be, __u16 from_be, __u16 to_be)
{
	__u32 sum = (__u16)~checksum_be + (__u16)~from_be + to_be;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void np_set_tos(struct np_ipv4_front *ip, __u8 dscp)
{
	__u8 old = ip->tos, new = dscp << 2 | (old & NP_ECN_MASK), first = ip->version_ihl;

	if (new == old)
		return;
	ip->tos = new;
	ip->checksum_be = np_checksum_of(ip->checksum_be, bpf_htons(first << 8 | old),
					 bpf_htons(first << 8 | new));
}

/* In place where the header is linear: the kernel makes the packets of a program
 * that does so writable before it runs. The sum over the header stays what it was,
 * and so does skb->csum. */
static __always_inline void np_write_dscp_ipv4(struct __sk_buff *skb, __u32 network, __u8 dscp)
{
	struct np_ipv4_front *here = (void *)(long)skb->data + (network & NP_NEAR), ip;

	if (network <= NP_NEAR && (void *)(here + 1) <= (void *)(long)skb->data_end) {
		np_set_tos(here, dscp);
	} else if (!bpf_skb_load_bytes(skb, network, &ip, sizeof(ip))) {
		np_set_tos(&ip, dscp);
		bpf_skb_store_bytes(skb, network, &ip, sizeof(ip), 0);
	}
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
