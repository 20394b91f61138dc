/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From bytes to what rules and flows speak of: addresses, ports, fragments. */
#ifndef NETPERSONA_PARSE_H
#define NETPERSONA_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NP_MAX_VLAN_TAGS 2
#define NP_MAX_EXTENSIONS 8 /* IPv6 extension headers followed */
#define NP_NEAR 0x1ff       /* offsets that are read in place */

#define NP_IPV4_DF_MF_MASK 0x3fff /* MF and offset */
#define NP_IPV4_MF 0x2000
#define NP_IPV4_OFFSET 0x1fff
#define NP_IPV6_MF 0x0001
#define NP_IPV6_OFFSET 0xfff8

/* linux/icmp.h would draw in the C library's headers. RFC 792, RFC 4443. */
#define NP_ICMP_ECHO_REPLY 0
#define NP_ICMP_UNREACHABLE 3
#define NP_ICMP_SOURCE_QUENCH 4
#define NP_ICMP_ECHO 8
#define NP_ICMP_TIME_EXCEEDED 11
#define NP_ICMP_PARAMETER_PROBLEM 12
#define NP_ICMPV6_FIRST_QUERY 128 /* types below are errors */
#define NP_ICMPV6_ECHO 128
#define NP_ICMPV6_ECHO_REPLY 129

#define NP_PROTO_DCCP 33
#define NP_PROTO_SCTP 132
#define NP_PROTO_UDPLITE 136

enum np_fragment_kind { NP_WHOLE, NP_FIRST_FRAGMENT, NP_LATER_FRAGMENT };
enum np_parsed { NP_PARSED, NP_NOT_IP, NP_MALFORMED };

struct np_packet {
	__u32 source[4]; /* network order; IPv4 in [0], the rest zero */
	__u32 destination[4];
	__u32 fragment_id;
	__u16 source_port; /* host order; ICMP echo: the identifier in both */
	__u16 destination_port;
	__u16 ethertype; /* host order, behind VLAN tags */
	__u16 network;   /* offset of the IP header in the frame */
	__u16 transport; /* offset of the transport header */
	__u16 transport_length;
	__u8 family; /* 4, 6, or 0: not IP */
	__u8 protocol;
	__u8 fragment; /* enum np_fragment_kind */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 hop_limit;
	__u8 has_ports;
	__u8 traffic_class;
};

struct np_ipv4 {
	__u8 version_ihl, tos;
	__u16 total_be, id_be, fragment_be;
	__u8 ttl, protocol;
	__u16 checksum;
	__u32 source, destination;
};

struct np_ipv6 {
	__u32 version_class_flow_be;
	__u16 payload_be;
	__u8 next, hop_limit;
	__u32 source[4], destination[4];
};

struct np_ipv6_extension {
	__u8 next, length;
	__u16 offset_be; /* of a fragment header */
	__u32 id_be;
};

/* Bytes of the frame: read in place where they are linear, which the headers of
 * nearly all packets are, else by the helper. Not 0 where the frame ends before.
 * `size` is even. Whole words are read although headers lie at odd halves of them:
 * the verifier allows it where the machine does, and byte by byte is four times
 * the code. */
static __always_inline int np_load(struct __sk_buff *skb, __u32 offset, void *to, const __u32 size)
{
	const void *start = (const void *)(long)skb->data + (offset & NP_NEAR);

	if (offset > NP_NEAR || start + size > (const void *)(long)skb->data_end)
		return bpf_skb_load_bytes(skb, offset, to, size);
	if (size % 4 == 0)
		__builtin_memcpy(to, __builtin_assume_aligned(start, 4), size);
	else
		__builtin_memcpy(to, __builtin_assume_aligned(start, 2), size);
	return 0;
}

#define NP_TCP_FIN 0x01
#define NP_TCP_SYN 0x02
#define NP_TCP_RST 0x04
#define NP_TCP_ACK 0x10

static __always_inline int np_parse_ipv4(struct __sk_buff *skb, struct np_packet *p)
{
	struct np_ipv4 ip;
	__u16 fragment;
	__u8 words;

	if (np_load(skb, p->network, &ip, sizeof(ip)))
		return NP_MALFORMED;
	words = ip.version_ihl & 15;
	if (ip.version_ihl >> 4 != 4 || words < 5)
		return NP_MALFORMED;
	p->source[0] = ip.source;
	p->destination[0] = ip.destination;
	p->protocol = ip.protocol;
	p->hop_limit = ip.ttl;
	p->traffic_class = ip.tos;
	p->transport = p->network + words * 4;
	fragment = bpf_ntohs(ip.fragment_be) & NP_IPV4_DF_MF_MASK;
	if (fragment) {
		p->fragment = fragment & NP_IPV4_OFFSET ? NP_LATER_FRAGMENT : NP_FIRST_FRAGMENT;
		p->fragment_id = ip.id_be;
	}
	return NP_PARSED;
}

static __always_inline int np_is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_AH;
}

/* RFC 8200 section 4.5: a fragment header is 8 bytes, its length field reserved. */
static __always_inline void np_note_ipv6_fragment(struct np_packet *p,
						  const struct np_ipv6_extension *extension)
{
	__u16 offset = bpf_ntohs(extension->offset_be);

	if (!(offset & (NP_IPV6_OFFSET | NP_IPV6_MF)))
		return; /* an atomic fragment, RFC 6946: a whole datagram */
	p->fragment = offset & NP_IPV6_OFFSET ? NP_LATER_FRAGMENT : NP_FIRST_FRAGMENT;
	p->fragment_id = extension->id_be;
}

/* Out of line: few packets have any. */
static __noinline int np_parse_extensions(struct __sk_buff *skb, struct np_packet *p)
{
	for (int i = 0; i < NP_MAX_EXTENSIONS; i++) {
		struct np_ipv6_extension extension;

		if (!np_is_extension(p->protocol))
			return NP_PARSED;
		if (p->fragment == NP_LATER_FRAGMENT)
			return NP_PARSED;
		if (np_load(skb, p->transport, &extension, sizeof(extension)))
			return NP_MALFORMED;
		if (p->protocol == IPPROTO_FRAGMENT) {
			np_note_ipv6_fragment(p, &extension);
			p->transport += sizeof(extension);
		} else if (p->protocol == IPPROTO_AH) {
			p->transport += (extension.length + 2) * 4; /* RFC 4302 section 2.2 */
		} else {
			p->transport += (extension.length + 1) * 8;
		}
		p->protocol = extension.next;
	}
	return np_is_extension(p->protocol) ? NP_MALFORMED : NP_PARSED;
}

static __always_inline int np_parse_ipv6(struct __sk_buff *skb, struct np_packet *p)
{
	struct np_ipv6 ip;

	if (np_load(skb, p->network, &ip, sizeof(ip)))
		return NP_MALFORMED;
	if ((bpf_ntohl(ip.version_class_flow_be) >> 28) != 6)
		return NP_MALFORMED;
	__builtin_memcpy(p->source, ip.source, sizeof(p->source));
	__builtin_memcpy(p->destination, ip.destination, sizeof(p->destination));
	p->protocol = ip.next;
	p->hop_limit = ip.hop_limit;
	p->traffic_class = (bpf_ntohl(ip.version_class_flow_be) >> 20) & 255;
	p->transport = p->network + sizeof(ip);
	return np_is_extension(p->protocol) ? np_parse_extensions(skb, p) : NP_PARSED;
}

static __always_inline int np_is_echo(const struct np_packet *p)
{
	if (p->protocol == IPPROTO_ICMP && p->family == 4)
		return p->icmp_type == NP_ICMP_ECHO || p->icmp_type == NP_ICMP_ECHO_REPLY;
	return p->protocol == IPPROTO_ICMPV6 && p->family == 6 &&
	       (p->icmp_type == NP_ICMPV6_ECHO || p->icmp_type == NP_ICMPV6_ECHO_REPLY);
}

static __always_inline int np_is_echo_reply(const struct np_packet *p)
{
	return p->icmp_type == (p->family == 4 ? NP_ICMP_ECHO_REPLY : NP_ICMPV6_ECHO_REPLY);
}

static __always_inline int np_parse_ports(struct __sk_buff *skb, struct np_packet *p)
{
	__u16 ports[2];

	if (np_load(skb, p->transport, ports, sizeof(ports)))
		return NP_MALFORMED;
	p->source_port = bpf_ntohs(ports[0]);
	p->destination_port = bpf_ntohs(ports[1]);
	p->has_ports = 1;
	p->transport_length = 8;
	return NP_PARSED;
}

static __always_inline int np_parse_icmp(struct __sk_buff *skb, struct np_packet *p)
{
	struct { __u8 type, code; __u16 checksum, id_be, sequence; } icmp;

	if (np_load(skb, p->transport, &icmp, sizeof(icmp)))
		return NP_MALFORMED;
	p->icmp_type = icmp.type;
	p->transport_length = sizeof(icmp);
	if (np_is_echo(p))
		p->source_port = p->destination_port = bpf_ntohs(icmp.id_be);
	return NP_PARSED;
}

/* Of a packet quoted in an ICMP error only 8 bytes of transport header are
 * sure to be there (RFC 792), so its TCP flags are not looked at. */
static __always_inline int np_parse_tcp(struct __sk_buff *skb, struct np_packet *p, int quoted)
{
	__u8 offset_flags[2];

	if (np_parse_ports(skb, p) != NP_PARSED)
		return NP_MALFORMED;
	if (quoted)
		return NP_PARSED;
	if (np_load(skb, p->transport + 12, offset_flags, sizeof(offset_flags)))
		return NP_MALFORMED;
	p->transport_length = (offset_flags[0] >> 4) * 4;
	p->tcp_flags = offset_flags[1];
	return NP_PARSED;
}

static __always_inline int np_parse_transport(struct __sk_buff *skb, struct np_packet *p, int quoted)
{
	if (p->fragment == NP_LATER_FRAGMENT)
		return NP_PARSED;
	switch (p->protocol) {
	case IPPROTO_TCP:
		return np_parse_tcp(skb, p, quoted);
	case IPPROTO_UDP:
	case NP_PROTO_UDPLITE:
	case NP_PROTO_SCTP:
	case NP_PROTO_DCCP:
		return np_parse_ports(skb, p);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return np_parse_icmp(skb, p);
	}
	return NP_PARSED;
}

/* The IP packet at p->network of the family p->family. */
static __always_inline int np_parse_here(struct __sk_buff *skb, struct np_packet *p, int quoted)
{
	int parsed = p->family == 4 ? np_parse_ipv4(skb, p) : np_parse_ipv6(skb, p);

	return parsed == NP_PARSED ? np_parse_transport(skb, p, quoted) : parsed;
}

/* The same out of line, for packets that are few. */
static __noinline int np_parse_ip(struct __sk_buff *skb, struct np_packet *p, int quoted)
{
	return np_parse_here(skb, p, quoted);
}

/* A hardware-accelerated tag is not in the bytes; up to two more may be. */
static __always_inline int np_parse_ethernet(struct __sk_buff *skb, struct np_packet *p)
{
	__u16 type_be, offset = ETH_HLEN - 2;

	if (np_load(skb, offset, &type_be, sizeof(type_be)))
		return NP_MALFORMED;
	for (int i = 0; i < NP_MAX_VLAN_TAGS; i++) {
		if (type_be != bpf_htons(ETH_P_8021Q) && type_be != bpf_htons(ETH_P_8021AD))
			break;
		offset += 4;
		if (np_load(skb, offset, &type_be, sizeof(type_be)))
			return NP_MALFORMED;
	}
	p->ethertype = bpf_ntohs(type_be);
	p->network = offset + 2;
	p->family = p->ethertype == ETH_P_IP ? 4 : p->ethertype == ETH_P_IPV6 ? 6 : 0;
	return p->family ? NP_PARSED : NP_NOT_IP;
}

static __always_inline int np_is_icmp_error(const struct np_packet *p)
{
	if (p->fragment == NP_LATER_FRAGMENT)
		return 0;
	if (p->family == 4 && p->protocol == IPPROTO_ICMP)
		return p->icmp_type == NP_ICMP_UNREACHABLE || p->icmp_type == NP_ICMP_SOURCE_QUENCH ||
		       p->icmp_type == NP_ICMP_TIME_EXCEEDED || p->icmp_type == NP_ICMP_PARAMETER_PROBLEM;
	return p->family == 6 && p->protocol == IPPROTO_ICMPV6 && p->icmp_type < NP_ICMPV6_FIRST_QUERY;
}

/* The packet that an ICMP error quotes; it went the other way. */
static __always_inline int np_parse_quoted(struct __sk_buff *skb, const struct np_packet *p,
					   struct np_packet *quoted)
{
	quoted->family = p->family;
	quoted->network = p->transport + 8;
	return np_parse_ip(skb, quoted, 1);
}

/* ICMPv6 that neighbour discovery lives on: RFC 4861 section 7.1 makes hop
 * limit 255 part of validity; snooping bridges deliver it only to listeners
 * that could report (MLD, RFC 2710 and 3810, hop limit 1). */
static __always_inline int np_is_neighbour_discovery(const struct np_packet *p)
{
	if (p->family != 6 || p->protocol != IPPROTO_ICMPV6 || p->fragment != NP_WHOLE)
		return 0;
	if (p->hop_limit == 255)
		return p->icmp_type >= 133 && p->icmp_type <= 137;
	return p->hop_limit == 1 &&
	       ((p->icmp_type >= 130 && p->icmp_type <= 132) || p->icmp_type == 143);
}

static __always_inline int np_is_port_pair(const struct np_packet *p, __u16 one, __u16 two)
{
	return (p->source_port == one && p->destination_port == two) ||
	       (p->source_port == two && p->destination_port == one);
}

/* RFC 2131 section 4.1, RFC 8415 section 7.2 */
static __always_inline int np_is_dhcp(const struct np_packet *p)
{
	if (p->protocol != IPPROTO_UDP || !p->has_ports)
		return 0;
	return p->family == 4 ? np_is_port_pair(p, 67, 68) : np_is_port_pair(p, 546, 547);
}

#endif
