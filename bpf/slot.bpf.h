// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who receives: the slots, their states, and the counts of what became of a run. */
#ifndef SLOT_BPF_H
#define SLOT_BPF_H

#include <linux/errno.h>
#include <stdbool.h>

#include "maps.bpf.h"

enum loss { HELD, NO_COLLECTOR, BAD_PACKET, PROBE };

/* What became of an attempt to deliver to one slot. */
enum attempt {
	DELIVERED, /* its socket is selected */
	HOLD,      /* it is vacant, and its exporters wait for it */
	PASS_ON,   /* it is vacant for longer, or no slot at all: the next rank's turn */
};

/* The datagram or SYN is dropped. */
static __always_inline int drop(struct sk_reuseport_md *ctx, enum loss loss)
{
	__u32 only = 0;
	struct rpa_losses *count = bpf_map_lookup_elem(&losses, &only);

	if (count) {
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
	}
	return SK_DROP;
}

/* The datagram or SYN goes to the collector whose socket was just selected. */
static __always_inline void count_delivery(struct sk_reuseport_md *ctx, struct rpa_traffic *count, bool is_owner)
{
	if (!count)
		return;
	if (is_owner)
		count->selected++;
	else
		count->failed_over++;
	count->bytes += ctx->len;
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

/*
 * Whether the slot's socket in a group is gone. A socket of another group can't be
 * selected, but the refusal tells: ENOENT where there is none. What was selected
 * before stays selected.
 */
__attribute__((noinline)) int has_lost_socket(struct sk_reuseport_md *ctx, __u32 slot_index, __u32 group)
{
	void *of_group = bpf_map_lookup_elem(&group_sockets, &group);

	return of_group && bpf_sk_select_reuseport(ctx, of_group, &slot_index, 0) == -ENOENT;
}

/* The same for eight groups: those of the bits. Unrolled for the reason of
 * stand_in_among(). */
__attribute__((noinline)) int has_lost_one(struct sk_reuseport_md *ctx, __u32 slot_index, __u32 first, __u64 bits)
{
#pragma unroll
	for (__u32 number = 0; number < 8; number++) {
		if (bits >> number & 1 && has_lost_socket(ctx, slot_index, first + number))
			return 1;
	}
	return 0;
}

/* A collector that lost a socket in another group is not usable as a whole. Looked
 * for once a jiffy, on each CPU. */
static __always_inline bool is_lost_elsewhere(
	struct sk_reuseport_md *ctx, const struct rpa_slot *slot, __u32 slot_index, struct rpa_traffic *count)
{
	__u64 others = slot->groups & ~(1ULL << (constants.group & 31)), now;

	if (!others || !count)
		return false;
	now = bpf_jiffies64();
	if (count->checked == now)
		return false;
	count->checked = now;
#pragma unroll
	for (__u32 first = 0; first < RPA_MAX_GROUPS; first += 8) {
		if (others >> first & 0xff && has_lost_one(ctx, slot_index, first, others >> first))
			return true;
	}
	return false;
}

/*
 * Selects the socket of one slot, or says why not. The first run that finds a
 * socket gone, here or in another group, starts the slot's hold clock, for all
 * groups: a collector that lost one of its sockets is not usable as a whole. One
 * that never had a socket in this group, which came to the pool after it, has
 * lost none.
 */
static __always_inline enum attempt try_slot(
	struct sk_reuseport_md *ctx, __u32 slot_index, struct rpa_traffic **count)
{
	struct rpa_slot *slot = bpf_map_lookup_elem(&slots, &slot_index);
	__u64 tenancy, vacancy;

	if (!slot)
		return PASS_ON;
	/* Read before the attempt: what the attempt finds belongs to this tenancy. */
	tenancy = *(volatile __u64 *)&slot->tenancy;
	vacancy = *(volatile __u64 *)&slot->vacancy;
	if (!is_vacant(tenancy, vacancy)) {
		if (!bpf_sk_select_reuseport(ctx, &sockets, &slot_index, 0)) {
			*count = bpf_map_lookup_elem(&traffic, &slot_index);
			if (!is_lost_elsewhere(ctx, slot, slot_index, *count))
				return DELIVERED;
		} else if (tenancy && !(slot->groups >> (constants.group & 31) & 1)) {
			return PASS_ON;
		}
		vacancy = (bpf_ktime_get_ns() >> RPA_TICK_SHIFT) << 16 | (__u16)tenancy;
		*(volatile __u64 *)&slot->vacancy = vacancy;
	}
	return is_within_hold(vacancy) ? HOLD : PASS_ON;
}

/* Delivers to the slot if it has a collector that takes in others. Global (not
 * static), so that the verifier proves it once and not for each step of the loop
 * below. */
__attribute__((noinline)) int stand_in(struct sk_reuseport_md *ctx, __u32 slot_index)
{
	const struct rpa_slot *slot = bpf_map_lookup_elem(&slots, &slot_index);
	struct rpa_traffic *count = NULL;

	if (!slot || !slot->tenancy || slot->closed || try_slot(ctx, slot_index, &count) != DELIVERED)
		return SK_DROP;
	count_delivery(ctx, count, false);
	return SK_PASS;
}

/*
 * Tries 16 slots; the one that delivers, or RPA_NO_SLOT. Unrolled, as its caller
 * is: where the agent lacks CAP_PERFMON, the verifier follows each branch also the
 * way that it doesn't go, as a processor may by speculation, and so never leaves a
 * loop.
 */
__attribute__((noinline)) int stand_in_among(struct sk_reuseport_md *ctx, __u32 first)
{
#pragma unroll
	for (__u32 step = 0; step < 16; step++) {
		if (stand_in(ctx, (first + step) % RPA_MAX_SLOTS) == SK_PASS)
			return (first + step) % RPA_MAX_SLOTS;
	}
	return RPA_NO_SLOT;
}

/* The first usable slot from a place that the row gives, for a row whose ranks are
 * all down for longer than the hold time; RPA_NO_SLOT: there is none. */
static __always_inline __u32 deliver_beyond_ranks(struct sk_reuseport_md *ctx, __u32 row)
{
#pragma unroll
	for (__u32 step = 0; step < RPA_MAX_SLOTS; step += 16) {
		__u32 slot_index = stand_in_among(ctx, row + step);

		if (slot_index != RPA_NO_SLOT)
			return slot_index;
	}
	return RPA_NO_SLOT;
}

#endif
