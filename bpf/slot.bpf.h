// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who receives: the slots, their states, and the counts of what became of a run. */
#ifndef SLOT_BPF_H
#define SLOT_BPF_H

#include <stdbool.h>

#include "maps.bpf.h"

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

/*
 * Tries 16 slots. Unrolled, as its caller is: where the agent lacks CAP_PERFMON,
 * the verifier follows each branch also the way that it doesn't go, as a processor
 * may by speculation, and so never leaves a loop.
 */
__attribute__((noinline)) int stand_in_among(struct sk_reuseport_md *ctx, __u32 first)
{
#pragma unroll
	for (__u32 step = 0; step < 16; step++) {
		if (stand_in(ctx, (first + step) % RPA_MAX_SLOTS) == SK_PASS)
			return SK_PASS;
	}
	return SK_DROP;
}

/* The first usable slot from a place that the hash gives, for a row whose ranks
 * are all down for longer than the hold time. */
static __always_inline int deliver_beyond_ranks(struct sk_reuseport_md *ctx, __u32 hash)
{
#pragma unroll
	for (__u32 step = 0; step < RPA_MAX_SLOTS; step += 16) {
		if (stand_in_among(ctx, hash + step) == SK_PASS)
			return SK_PASS;
	}
	return drop(NO_COLLECTOR);
}

#endif
