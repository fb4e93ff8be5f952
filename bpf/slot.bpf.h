// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who receives: the slots, their states, and the counts of what became of a run. */
#ifndef SLOT_BPF_H
#define SLOT_BPF_H

#include <linux/errno.h>
#include <stdbool.h>

#include "row.bpf.h"

enum loss { HELD, NO_COLLECTOR, BAD_PACKET, PROBE };

/* What became of an attempt to deliver to one slot. */
enum attempt {
	DELIVERED, /* its socket is selected */
	HOLD,      /* it is vacant, within the hold time */
	PASS_ON,   /* it is vacant for longer, or no slot at all: the next rank's turn */
};

/* What a selection returns: the slot whose socket is selected, or a reason. */
#define LOST_HELD 0x10000u
#define LOST_NO_COLLECTOR RPA_NO_SLOT

static __always_inline bool is_lost(__u32 selected)
{
	return selected >= RPA_MAX_SLOTS;
}

/* The datagram or SYN is dropped. */
__noinline int drop(struct sk_reuseport_md *ctx, __u32 loss)
{
	struct rpa_losses *count = bpf_map_lookup_elem(&losses, ONLY);

	if (!count)
		return SK_DROP;
	if (loss == HELD || loss == NO_COLLECTOR)
		count->bytes += ctx->len;
	if (loss == HELD)
		count->held++;
	else if (loss == NO_COLLECTOR)
		count->no_collector++;
	else if (loss == BAD_PACKET)
		count->bad_packet++;
	else
		count->probes++;
	return SK_DROP;
}

static __always_inline bool is_down(__u64 registration_number, __u64 down_since)
{
	return down_since && (__u16)down_since == (__u16)registration_number;
}

/* What happens to a run whose slot is vacant since then: HOLD or PASS_ON. */
__noinline int hold_or_pass_on(__u64 down_since)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	__u64 now = bpf_ktime_get_ns() >> RPA_TICK_SHIFT;

	if (!pool || down_since >> 16 == RPA_LONG_AGO)
		return PASS_ON;
	/* Signed: another CPU may have started the clock an instant after our reading. */
	return (__s64)(now - (down_since >> 16)) < (__s64)pool->hold_ticks ? HOLD : PASS_ON;
}

/* Starts the slot's hold clock, for all groups: HOLD or PASS_ON.
 * registration_number: what the slot had before the attempt that found a socket gone. */
__noinline int vacate(__u32 slot_index, __u64 registration_number)
{
	__u64 down_since = (bpf_ktime_get_ns() >> RPA_TICK_SHIFT) << 16 | (__u16)registration_number;
	struct map_key key;
	struct rpa_slot *slot;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return PASS_ON;
	WRITE_ONCE(slot->down_since, down_since);
	return hold_or_pass_on(down_since);
}

/*
 * Whether the slot's socket is gone in one of the groups: then the collector is not
 * usable as a whole. A socket of another group can't be selected, but the refusal says
 * why: ENOENT where there is none. What was selected before stays selected.
 */
__noinline int has_lost_socket(struct sk_reuseport_md *ctx, __u32 slot_index, __u64 of_groups)
{
	struct map_key group, slot;

	slot.index = slot_index;
#pragma unroll
	for (__u32 number = 0; number < RPA_MAX_GROUPS; number++) {
		void *of_group;

		if (!(of_groups >> number & 1))
			continue;
		group.index = number;
		of_group = bpf_map_lookup_elem(&group_sockets, key_at(&group));
		if (of_group && bpf_sk_select_reuseport(ctx, of_group, key_at(&slot), 0) == -ENOENT)
			return 1;
	}
	return 0;
}

/*
 * Selects the socket of one slot and counts the run, or says why not: an enum attempt.
 * is_owner: it is the row's first choice.
 *
 * The first run that finds a socket gone, here or in another group, starts the slot's
 * hold clock, for all groups: a collector that lost one of its sockets is not usable as
 * a whole. Other groups are looked at once a jiffy, on each CPU. A collector that never
 * had a socket in this group, which came to the pool after it, has lost none.
 */
__noinline int deliver(struct sk_reuseport_md *ctx, __u32 slot_index, __u32 is_owner)
{
	__u64 registration_number, down_since, others;
	struct rpa_traffic *count;
	struct rpa_slot *slot;
	struct map_key key;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return PASS_ON;
	/* Read before the attempt: what the attempt finds belongs to this registration_number. */
	registration_number = READ_ONCE(slot->registration_number);
	down_since = READ_ONCE(slot->down_since);
	if (is_down(registration_number, down_since))
		return hold_or_pass_on(down_since);
	if (bpf_sk_select_reuseport(ctx, &sockets, key_at(&key), 0)) {
		if (registration_number && !(slot->groups >> (constants.group & 31) & 1))
			return PASS_ON;
		return vacate(key.index, registration_number);
	}
	count = bpf_map_lookup_elem(&traffic, key_at(&key));
	if (!count)
		return DELIVERED;
	others = slot->groups & ~(1ULL << (constants.group & 31));
	if (others) {
		__u64 now = bpf_jiffies64();

		if (count->checked != now) {
			count->checked = now;
			if (has_lost_socket(ctx, key.index, others))
				return vacate(key.index, registration_number);
		}
	}
	if (is_owner)
		count->selected++;
	else
		count->failed_over++;
	count->bytes += ctx->len;
	return DELIVERED;
}

/* Whether the slot received the run: if it has a collector that takes in others. */
__noinline int stand_in(struct sk_reuseport_md *ctx, __u32 slot_index)
{
	const struct rpa_slot *slot;
	struct map_key key;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return 0;
	if (!slot->registration_number || slot->closed)
		return 0;
	return deliver(ctx, slot_index, 0) == DELIVERED;
}

/* Tries 16 slots: the one that received the run, or RPA_NO_SLOT. */
__noinline int stand_in_among(struct sk_reuseport_md *ctx, __u32 first)
{
#pragma unroll
	for (__u32 step = 0; step < 16; step++) {
		if (stand_in(ctx, (first + step) % RPA_MAX_SLOTS))
			return (first + step) % RPA_MAX_SLOTS;
	}
	return RPA_NO_SLOT;
}

/* The first usable slot from a place that the row gives, for a row whose ranks are
 * all down for longer than the hold time; LOST_NO_COLLECTOR: there is none. */
static __always_inline __u32 deliver_beyond_ranks(struct sk_reuseport_md *ctx, __u32 row)
{
#pragma unroll
	for (__u32 step = 0; step < RPA_MAX_SLOTS; step += 16) {
		__u32 slot_index = stand_in_among(ctx, row + step);

		if (!is_lost(slot_index))
			return slot_index;
	}
	return LOST_NO_COLLECTOR;
}

/* Delivers to the first usable slot of the ranks, without the owner's, or to any other
 * slot: the slot, LOST_HELD or LOST_NO_COLLECTOR. The address is the exporter's. */
__noinline int fail_over(struct sk_reuseport_md *ctx, __u64 ranks, __u64 high, __u64 low)
{
#pragma unroll
	for (int rank = 1; rank < RPA_RANKS; rank++) {
		__u32 slot_index = ranks & RPA_NO_SLOT;
		int attempt = deliver(ctx, slot_index, 0);

		if (attempt == DELIVERED)
			return slot_index;
		if (attempt == HOLD)
			return LOST_HELD;
		ranks >>= RPA_RANK_BITS;
	}
	/* By the row, not the address: several addresses may be one exporter. */
	return deliver_beyond_ranks(ctx, row_index(high, low, finalize(multilinear(high, low))));
}

/* Delivers by the ranks of the exporter's row: as fail_over(). */
static __always_inline __u32 deliver_ranked(struct sk_reuseport_md *ctx, __u64 ranks, __u64 high, __u64 low)
{
	__u32 owner = ranks & RPA_NO_SLOT;
	int attempt = deliver(ctx, owner, 1);

	if (attempt == DELIVERED)
		return owner;
	if (attempt == HOLD)
		return LOST_HELD;
	return fail_over(ctx, ranks >> RPA_RANK_BITS, high, low);
}

/* The run's end: what the kernel does with the datagram or SYN. */
static __always_inline int finish(struct sk_reuseport_md *ctx, __u32 selected)
{
	if (!is_lost(selected))
		return SK_PASS;
	return drop(ctx, selected == LOST_HELD ? HELD : NO_COLLECTOR);
}

#endif
