// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The path of a datagram through bpf/sk_reuseport.c. Each program is one step longer than the
 * one before: the difference is the cost of the step. Sources are IPv4, tracking is off.
 */
#include "../../bpf/slot.bpf.h"

static __always_inline int select_socket(struct sk_reuseport_md *ctx, __u32 slot)
{
	struct map_key key;

	key.index = slot;
	return bpf_sk_select_reuseport(ctx, &sockets, key_at(&key), 0) ? SK_DROP : SK_PASS;
}

static __always_inline __u32 owner_of_source(const struct source *source)
{
	struct map_key key;

	return read_owner(row_index(source->high, source->low, source->hash), &key);
}

SEC("sk_reuseport")
int read_address(struct sk_reuseport_md *ctx)
{
	__be32 address = 0;

	if (ctx->eth_protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes_relative(ctx, 12, &address, sizeof(address), BPF_HDR_START_NET))
		return SK_DROP;
	return address ? SK_PASS : SK_DROP;
}

SEC("sk_reuseport")
int hash_it(struct sk_reuseport_md *ctx)
{
	struct source source = {};

	return read_source(ctx, &source) && source.hash ? SK_PASS : SK_DROP;
}

/* Four collectors. */
SEC("sk_reuseport")
int select_by_hash(struct sk_reuseport_md *ctx)
{
	struct source source = {};

	return read_source(ctx, &source) ? select_socket(ctx, source.hash >> 62) : SK_DROP;
}

SEC("sk_reuseport")
int select_owner(struct sk_reuseport_md *ctx)
{
	struct source source = {};

	return read_source(ctx, &source) ? select_socket(ctx, owner_of_source(&source)) : SK_DROP;
}

SEC("sk_reuseport")
int select_if_present(struct sk_reuseport_md *ctx)
{
	const struct rpa_slot *slot;
	struct source source = {};
	struct map_key key;
	__u32 owner;

	if (!read_source(ctx, &source))
		return SK_DROP;
	owner = owner_of_source(&source);
	key.index = owner;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	return slot && !is_down(slot->registration_number, slot->down_since) ? select_socket(ctx, owner)
									     : SK_DROP;
}

SEC("sk_reuseport")
int select_and_count(struct sk_reuseport_md *ctx)
{
	struct source source = {};

	if (!read_source(ctx, &source))
		return SK_DROP;
	return deliver_to_slot(ctx, owner_of_source(&source), 1) == DELIVERED ? SK_PASS : SK_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
