// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The exporter that sent a packet: its source address, the keyed hash of it, and the buckets of tracked
 * exporters that the hash names.
 */
#ifndef EXPORTER_BPF_H
#define EXPORTER_BPF_H

#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>

#include "maps.bpf.h"

#define AF_INET 2 /* not in the kernel's headers for user space */

/* A source address, IPv4 in its IPv4-mapped form, and its hash. */
struct source {
	__u64 high, low;
	__u64 hash;
};

/*
 * The hash of the 128-bit address: a multilinear hash (Lemire and Kaser, The Computer
 * Journal 57(11), 2014), whose high half is strongly universal, and then the finalizer Mix13
 * (Steele, Lea, Flood, OOPSLA 2014, after Stafford), which makes every bit depend on every
 * bit. IPv4 addresses differ only in the last word. ExporterHash.swift computes the same
 * hash; tests with real sockets compare the two.
 */
static __always_inline __u64 finalize(__u64 sum)
{
	sum = (sum ^ (sum >> 30)) * 0xbf58476d1ce4e5b9ULL;
	sum = (sum ^ (sum >> 27)) * 0x94d049bb133111ebULL;
	return sum ^ (sum >> 31);
}

static __always_inline __u64 multilinear(__u64 high, __u64 low)
{
	const volatile __u64 *keys = constants.hash_keys;

	return keys[0] + keys[1] * (high >> 32) + keys[2] * (__u32)high + keys[3] * (low >> 32) +
	       keys[4] * (__u32)low;
}

static __always_inline __u64 hash_of_address(__u64 high, __u64 low)
{
	return finalize(multilinear(high, low));
}

/* Reads the packet's source address and hashes it. false: there is none to read. */
static __always_inline bool read_source(struct sk_reuseport_md *ctx, struct source *source)
{
	union {
		__be32 ipv4;
		__be64 ipv6[2];
	} address;

	/* By eth_protocol, not by the socket's family: a packet for a dual-stack socket has a
	 * real IPv4 header if it came by IPv4. */
	if (ctx->eth_protocol == bpf_htons(ETH_P_IP)) {
		const volatile __u64 *keys = constants.hash_keys;

		/* saddr of struct iphdr. */
		if (bpf_skb_load_bytes_relative(ctx, 12, &address, sizeof(address.ipv4), BPF_HDR_START_NET))
			return false;
		source->high = 0;
		source->low = 0xffffULL << 32 | bpf_ntohl(address.ipv4);
		/* multilinear() without the words that are 0 for IPv4. */
		source->hash = finalize(keys[0] + keys[3] * 0xffff + keys[4] * bpf_ntohl(address.ipv4));
		return true;
	}
	if (ctx->eth_protocol == bpf_htons(ETH_P_IPV6)) {
		/* saddr of struct ipv6hdr. */
		if (bpf_skb_load_bytes_relative(ctx, 8, &address, sizeof(address.ipv6), BPF_HDR_START_NET))
			return false;
		source->high = bpf_be64_to_cpu(address.ipv6[0]);
		source->low = bpf_be64_to_cpu(address.ipv6[1]);
		source->hash = hash_of_address(source->high, source->low);
		return true;
	}
	return false;
}

/* The source address and port of a packet. TCP and UDP both begin with the source port. */
static __always_inline bool read_peer(struct sk_reuseport_md *ctx, struct source *source, __u32 *port)
{
	__be16 number;

	if (!read_source(ctx, source) || bpf_skb_load_bytes(ctx, 0, &number, sizeof(number)))
		return false;
	*port = bpf_ntohs(number);
	return true;
}

/*
 * The peer of a connection that migrates because its listener closes. The kernel may ask
 * without a packet: the address comes from the connection itself.
 */
static __always_inline void read_migrating_peer(struct bpf_sock *connection, struct source *source,
						__u32 *port)
{
	*port = bpf_ntohs(connection->dst_port);
	source->high = (__u64)bpf_ntohl(connection->dst_ip6[0]) << 32 | bpf_ntohl(connection->dst_ip6[1]);
	source->low = (__u64)bpf_ntohl(connection->dst_ip6[2]) << 32 | bpf_ntohl(connection->dst_ip6[3]);
	/* Until the handshake is over, an IPv4 connection of a dual-stack listener has its
	 * address only in dst_ip4. */
	if (connection->family == AF_INET || !(source->high | source->low)) {
		source->high = 0;
		source->low = 0xffffULL << 32 | bpf_ntohl(connection->dst_ip4);
	}
	source->hash = hash_of_address(source->high, source->low);
}

/* One of the buckets where the exporter may have its entries: see RPA_BUCKET_CHOICES. */
static __always_inline __u32 bucket_of(__u64 hash, __u32 choice)
{
	/* An odd factor: the high half of the product depends on the whole hash. */
	__u64 mixed = (hash * (1 + choice * 0x9e3779b97f4a7c14ULL)) >> 32;

	if (!choice)
		return (mixed * constants.primary_buckets) >> 32;
	return constants.primary_buckets + ((mixed * constants.other_buckets) >> 32);
}

#endif
