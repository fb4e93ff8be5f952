// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Selects the socket of a reuseport group by the exporter's source address:
 *
 *   source address -> keyed hash -> row of ranked slots -> slot -> socket
 *
 * Each group of a pool runs this program with its own sockets and counters;
 * the table and the slots' states are the pool's. So UDP and TCP agree on every
 * exporter, failover included. Nothing here needs the agent to be running.
 *
 * A run ends in exactly one counted outcome: selected or failed_over (the
 * collector gets it), held, no_collector or bad_packet (dropped: UDP answers
 * with ICMP port unreachable, TCP with RST). SK_PASS is never returned without
 * a selection, for then the kernel would scatter over all members.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "sk_reuseport_layout.h"

const volatile struct rpa_constants constants = {};

/* The pool's bucket table. A row is one aligned word, so that the agent
 * changes it by one store and a run sees either the old row or the new. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct rpa_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_settings);
} settings SEC(".maps");

/* value_size 8, so that the agent can look up socket cookies. */
struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RPA_MAX_SLOTS + 1);
	__type(key, __u32);
	__type(value, struct rpa_traffic);
} traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_losses);
} losses SEC(".maps");

enum loss { HELD, NO_COLLECTOR, BAD_PACKET };

/* What became of an attempt to deliver to one slot. */
enum attempt {
	DELIVERED, /* its socket is selected */
	HOLD,      /* it is vacant, and its exporters wait for it */
	PASS_ON,   /* it is vacant for longer, or no slot at all: the next rank's turn */
};

/* The datagram or SYN is dropped. */
static __always_inline int drop(enum loss loss)
{
	__u32 only = 0;
	struct rpa_losses *count = bpf_map_lookup_elem(&losses, &only);

	if (count) {
		if (loss == HELD)
			count->held++;
		else if (loss == NO_COLLECTOR)
			count->no_collector++;
		else
			count->bad_packet++;
	}
	return SK_DROP;
}

/* The datagram or SYN goes to the collector whose socket was just selected. */
static __always_inline int deliver(struct sk_reuseport_md *ctx, __u32 slot, bool is_owner)
{
	struct rpa_traffic *count = bpf_map_lookup_elem(&traffic, &slot);

	if (count) {
		if (is_owner)
			count->selected++;
		else
			count->failed_over++;
		count->bytes += ctx->len;
	}
	return SK_PASS;
}

/*
 * Multilinear hash of the 128-bit address (Lemire and Kaser, The Computer
 * Journal 57(11), 2014), whose high half is strongly universal, through the
 * finalizer Mix13 (Steele, Lea, Flood, OOPSLA 2014, after Stafford), that makes
 * every bit depend on every bit. IPv4 is hashed as its IPv4-mapped form, of
 * which only the last word differs. ExporterHash.swift is its twin; a test
 * with real sockets holds the two together.
 */
static __always_inline __u64 finalize(__u64 sum)
{
	sum = (sum ^ (sum >> 30)) * 0xbf58476d1ce4e5b9ULL;
	sum = (sum ^ (sum >> 27)) * 0x94d049bb133111ebULL;
	return sum ^ (sum >> 31);
}

static __always_inline bool exporter_hash(struct sk_reuseport_md *ctx, __u64 *hash)
{
	const volatile __u64 *keys = constants.hash_keys;

	/* eth_protocol, not the socket's family: a dual-stack socket that
	 * receives IPv4 has a real IPv4 header before it. */
	if (ctx->eth_protocol == bpf_htons(ETH_P_IP)) {
		__be32 source;

		if (bpf_skb_load_bytes_relative(ctx, 12, &source, sizeof(source), BPF_HDR_START_NET))
			return false;
		*hash = finalize(keys[0] + keys[3] * 0xffff + keys[4] * bpf_ntohl(source));
		return true;
	}
	if (ctx->eth_protocol == bpf_htons(ETH_P_IPV6)) {
		__be32 source[4];

		if (bpf_skb_load_bytes_relative(ctx, 8, source, sizeof(source), BPF_HDR_START_NET))
			return false;
		*hash = finalize(keys[0] + keys[1] * bpf_ntohl(source[0]) + keys[2] * bpf_ntohl(source[1]) +
				 keys[3] * bpf_ntohl(source[2]) + keys[4] * bpf_ntohl(source[3]));
		return true;
	}
	return false;
}

static __always_inline bool is_vacant(__u64 tenancy, __u64 vacancy)
{
	return vacancy && (__u16)vacancy == (__u16)tenancy;
}

static __always_inline bool is_within_hold(__u64 vacancy)
{
	__u32 only = 0;
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);
	__u64 now = bpf_ktime_get_ns() >> RPA_TICK_SHIFT;

	/* Signed: another CPU may have started the clock an instant after our reading. */
	return pool && (__s64)(now - (vacancy >> 16)) < (__s64)pool->hold_ticks;
}

/*
 * Selects the socket of one slot, or says why not. The first run that finds a
 * socket gone starts the slot's hold clock, for all groups: a collector that
 * lost one of its sockets is not usable as a whole.
 */
static __always_inline enum attempt try_slot(struct sk_reuseport_md *ctx, __u32 slot_index)
{
	struct rpa_slot *slot = bpf_map_lookup_elem(&slots, &slot_index);
	__u64 tenancy, vacancy;

	if (!slot)
		return PASS_ON;
	/* Read before the attempt: what the attempt finds belongs to this tenancy. */
	tenancy = *(volatile __u64 *)&slot->tenancy;
	vacancy = *(volatile __u64 *)&slot->vacancy;
	if (!is_vacant(tenancy, vacancy)) {
		if (!bpf_sk_select_reuseport(ctx, &sockets, &slot_index, 0))
			return DELIVERED;
		vacancy = (bpf_ktime_get_ns() >> RPA_TICK_SHIFT) << 16 | (__u16)tenancy;
		*(volatile __u64 *)&slot->vacancy = vacancy;
	}
	return is_within_hold(vacancy) ? HOLD : PASS_ON;
}

/* Delivers to the slot if it has a collector. Global (not static), so that the
 * verifier proves it once and not for each step of the loop below. */
__attribute__((noinline)) int stand_in(struct sk_reuseport_md *ctx, __u32 slot_index)
{
	const struct rpa_slot *slot = bpf_map_lookup_elem(&slots, &slot_index);

	if (!slot || !slot->tenancy || try_slot(ctx, slot_index) != DELIVERED)
		return SK_DROP;
	return deliver(ctx, slot_index, false);
}

/* The first usable slot from a place that the hash gives, for a row whose ranks
 * are all down for longer than the hold time. */
static __always_inline int deliver_beyond_ranks(struct sk_reuseport_md *ctx, __u32 hash)
{
	for (__u32 step = 0; step < RPA_MAX_SLOTS; step++) {
		if (stand_in(ctx, (hash + step) % RPA_MAX_SLOTS) == SK_PASS)
			return SK_PASS;
	}
	return drop(NO_COLLECTOR);
}

SEC("sk_reuseport")
int select_collector(struct sk_reuseport_md *ctx)
{
	__u64 hash, ranks, *row;
	__u32 bucket;

	if (!exporter_hash(ctx, &hash))
		return drop(BAD_PACKET);
	bucket = ((hash >> 32) * constants.table_size) >> 32;
	row = bpf_map_lookup_elem(&rows, &bucket);
	if (!row)
		return drop(NO_COLLECTOR);
	ranks = *(volatile __u64 *)row;

	for (int rank = 0; rank < RPA_RANKS; rank++) {
		__u32 slot = ranks & 0xffff;

		switch (try_slot(ctx, slot)) {
		case DELIVERED:
			return deliver(ctx, slot, rank == 0);
		case HOLD:
			return drop(HELD);
		case PASS_ON:
			ranks >>= 16;
		}
	}
	return deliver_beyond_ranks(ctx, hash);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
