// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * References for bpf/sk_reuseport.c: the least that a program can do, and the usual ways to
 * select a collector.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "sk_reuseport_layout.h"

/* Set when the program is loaded. */
const volatile __u64 collector_count = 1;

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

/* For turn(): the next turn. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps");

/* Does nothing: the cost of the call, and of the clock that measures it. */
SEC("sk_reuseport")
int empty(struct sk_reuseport_md *ctx)
{
	return SK_PASS;
}

/* Selects one socket after the other, without affinity. */
SEC("sk_reuseport")
int turn(struct sk_reuseport_md *ctx)
{
	__u32 only = 0, slot;
	__u32 *next = bpf_map_lookup_elem(&turns, &only);

	if (!next)
		return SK_DROP;
	slot = (*next)++ % (__u32)collector_count;
	return bpf_sk_select_reuseport(ctx, &sockets, &slot, 0) ? SK_DROP : SK_PASS;
}

/* Hashes the source address and takes it modulo the number of collectors. */
SEC("sk_reuseport")
int modulo(struct sk_reuseport_md *ctx)
{
	__u32 hash, slot;
	__be32 source;

	if (ctx->eth_protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes_relative(ctx, 12, &source, sizeof(source), BPF_HDR_START_NET))
			return SK_DROP;
		hash = bpf_ntohl(source);
	} else {
		__be32 words[4];

		if (bpf_skb_load_bytes_relative(ctx, 8, words, sizeof(words), BPF_HDR_START_NET))
			return SK_DROP;
		hash = words[0] ^ words[1] ^ words[2] ^ words[3];
	}
	/* The 32-bit finalizer of MurmurHash3 (public domain). */
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	hash ^= hash >> 16;
	slot = hash % (__u32)collector_count;
	return bpf_sk_select_reuseport(ctx, &sockets, &slot, 0) ? SK_DROP : SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
