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
 * What is attached to a group is dispatch(), which goes on to the program of the
 * generation in force: one store moves a whole pool to another table.
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

/* The bucket table, and the rows of pinned exporters after it. A row is one
 * aligned word, so that the agent changes it by one store and a run sees either
 * the old row or the new. As many as the agent makes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} rows SEC(".maps");

/* As many entries as constants.exporter_mask says. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_exporter);
} exporters SEC(".maps");

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
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} members SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RPA_SIGHTINGS + 1);
	__type(key, __u32);
	__type(value, struct rpa_sighting);
} sightings SEC(".maps");

/* The next row's index, of RPA_BY_TURN. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps");

/* The program of each generation. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, RPA_GENERATIONS);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

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

/* A source address, IPv4 in its IPv4-mapped form, and its hash. */
struct source {
	__u64 high, low;
	__u64 hash;
};

/*
 * Multilinear hash of the 128-bit address (Lemire and Kaser, The Computer
 * Journal 57(11), 2014), whose high half is strongly universal, through the
 * finalizer Mix13 (Steele, Lea, Flood, OOPSLA 2014, after Stafford), that makes
 * every bit depend on every bit. Of IPv4 only the last word differs.
 * ExporterHash.swift is its twin; tests with real sockets hold the two together.
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

static __always_inline bool read_source(struct sk_reuseport_md *ctx, struct source *source)
{
	/* eth_protocol, not the socket's family: a dual-stack socket that
	 * receives IPv4 has a real IPv4 header before it. */
	if (ctx->eth_protocol == bpf_htons(ETH_P_IP)) {
		const volatile __u64 *keys = constants.hash_keys;
		__be32 address;

		if (bpf_skb_load_bytes_relative(ctx, 12, &address, sizeof(address), BPF_HDR_START_NET))
			return false;
		source->high = 0;
		source->low = 0xffffULL << 32 | bpf_ntohl(address);
		source->hash = finalize(keys[0] + keys[3] * 0xffff + keys[4] * bpf_ntohl(address));
		return true;
	}
	if (ctx->eth_protocol == bpf_htons(ETH_P_IPV6)) {
		__be64 address[2];

		if (bpf_skb_load_bytes_relative(ctx, 8, address, sizeof(address), BPF_HDR_START_NET))
			return false;
		source->high = bpf_be64_to_cpu(address[0]);
		source->low = bpf_be64_to_cpu(address[1]);
		source->hash = finalize(multilinear(source->high, source->low));
		return true;
	}
	return false;
}

/* Counts the exporter's run. NULL: it found no place, and was counted with others. */
static __always_inline struct rpa_sighting *note_sighting(const struct source *source, __u32 length)
{
	__u32 index;
	struct rpa_sighting *sighting;

	for (__u32 probe = 0; probe < RPA_SIGHTING_PROBES; probe++) {
		index = ((__u32)source->hash + probe) % RPA_SIGHTINGS;
		sighting = bpf_map_lookup_elem(&sightings, &index);
		if (!sighting)
			return NULL;
		if (!sighting->runs) {
			sighting->high = source->high;
			sighting->low = source->low;
		} else if (sighting->low != source->low || sighting->high != source->high) {
			continue;
		}
		sighting->runs++;
		sighting->bytes += length;
		return sighting;
	}
	index = RPA_UNTRACKED;
	sighting = bpf_map_lookup_elem(&sightings, &index);
	if (sighting) {
		sighting->runs++;
		sighting->bytes += length;
	}
	return NULL;
}

static __always_inline __u64 leading_bits(__u64 word, __u32 count)
{
	return count >= 64 ? word : count ? word & ~0ULL << (64 - count) : 0;
}

/* What is configured for the address's first bits: the row, RPA_NO_ROW at a
 * marker, or -1. Global, as the next one, so that the verifier proves it once. */
__attribute__((noinline)) int find_prefix(__u64 high, __u64 low, __u32 length)
{
	__u64 hash;

	high = leading_bits(high, length);
	low = length > 64 ? leading_bits(low, length - 64) : 0;
	hash = finalize(multilinear(high, low) + constants.hash_keys[5] * (128 - length));
	for (__u32 probe = 0; probe < RPA_EXPORTER_PROBES; probe++) {
		__u32 index = ((__u32)hash + probe) & constants.exporter_mask;
		const struct rpa_exporter *entry = bpf_map_lookup_elem(&exporters, &index);

		if (!entry || !entry->length_tag)
			return -1;
		if (entry->low == low && entry->high == high && entry->length_tag == length + 1)
			return entry->row;
	}
	return -1;
}

/* The row of the longest configured prefix of the address, or RPA_NO_ROW. */
__attribute__((noinline)) int find_exporter(__u64 high, __u64 low)
{
	bool is_ipv4 = !high && low >> 32 == 0xffff;
	__u32 from = constants.length_begin[is_ipv4 ? 1 : 0];
	__u32 to = constants.length_begin[is_ipv4 ? 2 : 1];
	int found = RPA_NO_ROW;

	/* 8 steps: up to 129 lengths. */
	for (int step = 0; step < 8 && from < to; step++) {
		__u32 middle = (from + to) / 2;
		int row;

		if (middle >= RPA_MAX_LENGTHS)
			break;
		row = find_prefix(high, low, constants.lengths[middle]);
		if (row < 0) {
			to = middle;
			continue;
		}
		if (row != RPA_NO_ROW)
			found = row;
		from = middle + 1;
	}
	return found;
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

	if (vacancy >> 16 == RPA_LONG_AGO)
		return false;
	/* Signed: another CPU may have started the clock an instant after our reading. */
	return pool && (__s64)(now - (vacancy >> 16)) < (__s64)pool->hold_ticks;
}

/* The slot's collector has, or had, a socket in this group. */
static __always_inline bool is_member(__u32 slot_index)
{
	const __u32 *member = bpf_map_lookup_elem(&members, &slot_index);

	return member && *member;
}

/*
 * Selects the socket of one slot, or says why not. The first run that finds a
 * socket gone starts the slot's hold clock, for all groups: a collector that
 * lost one of its sockets is not usable as a whole. One that never had a socket
 * in this group, which came to the pool after it, has lost none.
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
		if (tenancy && !is_member(slot_index))
			return PASS_ON;
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

/* The row of a configured exporter, else the bucket's. Looked up once for each
 * generation and CPU, and kept with the sighting. */
static __always_inline __u32 configured_row(struct rpa_sighting *sighting, const struct source *source, __u32 bucket)
{
	__u32 row;

	if (sighting && sighting->generation == constants.generation)
		return sighting->row;
	row = find_exporter(source->high, source->low);
	if (row == RPA_NO_ROW)
		row = bucket;
	if (sighting) {
		sighting->row = row;
		sighting->generation = constants.generation;
	}
	return row;
}

/* Delivers to the collector whose turn the row is, if it is there. A vacant slot
 * holds nothing up, for no exporter belongs to it. */
__attribute__((noinline)) int take_turn(struct sk_reuseport_md *ctx, __u32 index, __u32 is_first)
{
	const __u64 *row = bpf_map_lookup_elem(&rows, &index);
	__u32 slot;

	if (!row)
		return SK_DROP;
	slot = *(const volatile __u64 *)row & 0xffff;
	if (try_slot(ctx, slot) != DELIVERED)
		return SK_DROP;
	return deliver(ctx, slot, is_first);
}

static __always_inline __u32 next_turn(void)
{
	__u32 only = 0, turn;
	__u32 *next = bpf_map_lookup_elem(&turns, &only);

	if (!next)
		return 0;
	turn = *next;
	*next = turn + 1 < constants.table_size ? turn + 1 : 0;
	return turn;
}

/* For collectors that need no affinity: any that is there will do. */
static __always_inline int select_any(struct sk_reuseport_md *ctx)
{
	__u32 index = constants.selection == RPA_BY_TURN ? next_turn() : (ctx->hash * constants.table_size) >> 32;

	for (__u32 step = 0; step < 64; step++) {
		if (take_turn(ctx, index, step == 0) == SK_PASS)
			return SK_PASS;
		if (constants.selection == RPA_BY_TURN)
			index = next_turn();
		else
			index = index + 1 < constants.table_size ? index + 1 : 0;
	}
	return deliver_beyond_ranks(ctx, index);
}

SEC("sk_reuseport")
int select_collector(struct sk_reuseport_md *ctx)
{
	struct rpa_sighting *sighting;
	struct source source;
	__u64 ranks, *row;
	__u32 index;

	if (constants.selection != RPA_BY_EXPORTER)
		return select_any(ctx);
	if (!read_source(ctx, &source))
		return drop(BAD_PACKET);
	sighting = note_sighting(&source, ctx->len);
	index = ((source.hash >> 32) * constants.table_size) >> 32;
	if (constants.exporter_mask)
		index = configured_row(sighting, &source, index);
	row = bpf_map_lookup_elem(&rows, &index);
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
	return deliver_beyond_ranks(ctx, source.hash);
}

/*
 * What is attached. A pool that was unloaded has no programs any more, and a
 * group whose sockets nobody could reach to detach this goes back to the
 * kernel's own choice: then alone it passes on without a selection.
 */
SEC("sk_reuseport")
int dispatch(struct sk_reuseport_md *ctx)
{
	__u32 only = 0;
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);

	/* Constant indices: the kernel makes direct jumps of them. */
	if (pool && *(const volatile __u64 *)&pool->generation & 1)
		bpf_tail_call_static(ctx, &programs, 1);
	else
		bpf_tail_call_static(ctx, &programs, 0);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
