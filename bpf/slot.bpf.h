// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Delivery: selects the socket of a slot, holds or fails over when the slot is vacant, and
 * counts the outcome.
 */
#ifndef SLOT_BPF_H
#define SLOT_BPF_H

#include <linux/errno.h>
#include <stdbool.h>

#include "row.bpf.h"

/* Why a run is dropped: one counter of struct rpa_losses each. */
enum drop_reason { DROP_HELD, DROP_NO_COLLECTOR, DROP_BAD_PACKET };

/* The result of an attempt to deliver to one slot. */
enum delivery {
	DELIVERED, /* the slot's socket is selected, and the run is counted */
	SLOT_HELD, /* the slot is vacant, and its hold time is not over: drop the run */
	NEXT_RANK, /* the hold time is over, or there is no such slot: try the row's next rank */
};

/* A selection returns the slot whose socket is selected, or one of the values below. */
#define SELECTED_NONE RPA_NO_SLOT   /* no collector is usable */
#define SELECTED_NONE_HELD 0x10000u /* the exporter is held for its collector */

static __always_inline bool is_selected(__u32 selected)
{
	return selected < RPA_MAX_SLOTS;
}

/* Counts the reason and drops the datagram or SYN. */
__noinline int drop(struct sk_reuseport_md *ctx, enum drop_reason reason)
{
	struct rpa_losses *counters = bpf_map_lookup_elem(&losses, ONLY);

	if (!counters)
		return SK_DROP;
	if (reason == DROP_HELD || reason == DROP_NO_COLLECTOR)
		counters->bytes += ctx->len;
	if (reason == DROP_HELD)
		counters->held++;
	else if (reason == DROP_NO_COLLECTOR)
		counters->no_collector++;
	else
		counters->bad_packet++;
	return SK_DROP;
}

/* Ends a run: SK_PASS with a selected socket, or counts the reason and returns SK_DROP. */
static __always_inline int end_run(struct sk_reuseport_md *ctx, __u32 selected)
{
	if (is_selected(selected))
		return SK_PASS;
	return drop(ctx, selected == SELECTED_NONE_HELD ? DROP_HELD : DROP_NO_COLLECTOR);
}

static __always_inline bool is_down(__u64 registration_number, __u64 down_since)
{
	return down_since && (__u16)down_since == (__u16)registration_number;
}

/* For a vacant slot: SLOT_HELD while its hold time runs, NEXT_RANK after it. */
__noinline enum delivery check_hold_time(__u64 down_since)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	__u64 now = bpf_ktime_get_ns() >> RPA_TICK_SHIFT;

	if (!pool || down_since >> 16 == RPA_LONG_AGO)
		return NEXT_RANK;
	/* Signed: another CPU may have started the hold clock just after this CPU read the time. */
	return (__s64)(now - (down_since >> 16)) < (__s64)pool->hold_ticks ? SLOT_HELD : NEXT_RANK;
}

/*
 * Marks the slot as vacant from now on, in all groups: SLOT_HELD or NEXT_RANK.
 *
 * registration_number is the one that the slot had before the attempt that found a socket
 * gone. If a registration came in between, down_since names the old number and means nothing.
 */
__noinline enum delivery start_hold_clock(__u32 slot_index, __u64 registration_number)
{
	__u64 down_since = (bpf_ktime_get_ns() >> RPA_TICK_SHIFT) << 16 | (__u16)registration_number;
	struct map_key key;
	struct rpa_slot *slot;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return NEXT_RANK;
	WRITE_ONCE(slot->down_since, down_since);
	return check_hold_time(down_since);
}

/* The slot's entries in a group among which a run chooses. */
static __always_inline __u32 span_of(const struct rpa_slot *slot, __u32 group)
{
	__u32 span = slot->spans[group / RPA_SPANS_PER_WORD] >> group % RPA_SPANS_PER_WORD * RPA_SPAN_BITS;

	return span & ((1 << RPA_SPAN_BITS) - 1);
}

static __always_inline bool has_several(__u64 groups, __u32 group)
{
	return groups >> (RPA_SEVERAL_SHIFT + group) & 1;
}

/* The worker of the slot that a run is for. span isn't 0. */
static __always_inline __u32 choose_worker(struct sk_reuseport_md *ctx, __u32 slot_index, __u32 choice,
					   __u32 span)
{
	struct source source;

	if (choice == RPA_CHOOSE_BY_CPU)
		return bpf_get_smp_processor_id() % span;
	if (choice == RPA_CHOOSE_IN_TURN) {
		const struct rpa_traffic *counters;
		struct map_key key;

		key.index = slot_index;
		counters = bpf_map_lookup_elem(&traffic, key_at(&key));
		return counters ? (counters->selected + counters->failed_over) % span : 0;
	}
	/* The low half of the hash: the high half has chosen the bucket. A connection that migrates has
	 * no packet, and takes the flow's hash. */
	if (choice == RPA_CHOOSE_BY_EXPORTER && read_source(ctx, &source))
		return (source.hash & 0xffffffff) * span >> 32;
	return (__u64)ctx->hash * span >> 32;
}

/* Tries 8 of the slot's workers, from this one on. span isn't 0. */
__noinline int try_workers(struct sk_reuseport_md *ctx, __u32 slot_index, __u32 worker, __u32 span)
{
	struct map_key key;

#pragma unroll
	for (__u32 step = 0; step < 8; step++) {
		key.index = (worker + step) % span * RPA_MAX_SLOTS + slot_index;
		if (!bpf_sk_select_reuseport(ctx, &sockets, key_at(&key), 0))
			return 1;
	}
	return 0;
}

/*
 * Selects one of the slot's several sockets in this group: the chosen worker's, or the next one that
 * there is. 0: there is none.
 */
__noinline int select_worker(struct sk_reuseport_md *ctx, __u32 slot_index)
{
	const struct rpa_slot *slot;
	struct map_key key;
	__u32 span, worker;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return 0;
	span = span_of(slot, constants.group & 31);
	if (!span)
		span = 1;
	worker = choose_worker(ctx, slot_index, slot->policy >> RPA_CHOICE_SHIFT, span);
	key.index = worker * RPA_MAX_SLOTS + slot_index;
	if (!bpf_sk_select_reuseport(ctx, &sockets, key_at(&key), 0))
		return 1;
#pragma unroll
	for (__u32 tried = 0; tried < RPA_MAX_WORKERS; tried += 8) {
		if (tried < span && try_workers(ctx, slot_index, worker + 1 + tried, span))
			return 1;
	}
	return 0;
}

/*
 * Whether all of the slot's sockets in another group are gone. The kernel refuses to select a socket of
 * another group, and its errno shows whether there is one: ENOENT means that there is none. A refusal
 * leaves the socket that the run has already selected in place.
 */
__noinline bool has_lost_group(struct sk_reuseport_md *ctx, __u32 slot_index, __u32 number)
{
	const struct rpa_slot *slot;
	void *sockets_of_group;
	struct map_key key;
	__u32 span;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return false;
	span = span_of(slot, number % RPA_MAX_GROUPS);
	key.index = number;
	sockets_of_group = bpf_map_lookup_elem(&group_sockets, key_at(&key));
	if (!sockets_of_group)
		return false;
#pragma unroll
	for (__u32 worker = 0; worker < RPA_MAX_WORKERS; worker++) {
		if (worker && worker >= span)
			continue;
		key.index = worker * RPA_MAX_SLOTS + slot_index;
		if (bpf_sk_select_reuseport(ctx, sockets_of_group, key_at(&key), 0) != -ENOENT)
			return false;
	}
	return true;
}

/*
 * Whether the slot's socket is gone in one of the groups: then the collector is not
 * usable as a whole. Most slots have one entry in each group, which is the first one to try.
 */
__noinline bool has_lost_socket(struct sk_reuseport_md *ctx, __u32 slot_index, __u64 groups)
{
	struct map_key group, slot;

	slot.index = slot_index;
#pragma unroll
	for (__u32 number = 0; number < RPA_MAX_GROUPS; number++) {
		void *sockets_of_group;

		if (!(groups >> number & 1))
			continue;
		group.index = number;
		sockets_of_group = bpf_map_lookup_elem(&group_sockets, key_at(&group));
		if (sockets_of_group &&
		    bpf_sk_select_reuseport(ctx, sockets_of_group, key_at(&slot), 0) == -ENOENT &&
		    (!has_several(groups, number) || has_lost_group(ctx, slot_index, number)))
			return true;
	}
	return false;
}

/*
 * Selects a socket of one slot and counts the run. is_owner: the slot is
 * the row's first rank.
 *
 * The first run that finds a socket gone, in this group or in another one, starts the slot's
 * hold clock for all groups: UDP and TCP of an exporter fail over together. Each CPU checks
 * the other groups once a jiffy. A collector that joined the pool before this group has never
 * had a socket here: this group passes it over, and the slot is not vacant.
 */
__noinline enum delivery deliver_to_slot(struct sk_reuseport_md *ctx, __u32 slot_index, __u32 is_owner)
{
	__u64 registration_number, down_since, groups;
	struct rpa_traffic *counters;
	struct rpa_slot *slot;
	struct map_key key;
	bool is_selected;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return NEXT_RANK;
	/* Read before the attempt: a socket that the attempt finds gone is never charged to a
	 * later registration. */
	registration_number = READ_ONCE(slot->registration_number);
	down_since = READ_ONCE(slot->down_since);
	if (is_down(registration_number, down_since))
		return check_hold_time(down_since);
	groups = READ_ONCE(slot->groups);
	if (groups & constants.several)
		is_selected = select_worker(ctx, slot_index);
	else
		is_selected = !bpf_sk_select_reuseport(ctx, &sockets, key_at(&key), 0);
	if (!is_selected) {
		if (registration_number && !(__u32)(groups & ~constants.other_groups))
			return NEXT_RANK;
		return start_hold_clock(key.index, registration_number);
	}
	counters = bpf_map_lookup_elem(&traffic, key_at(&key));
	if (!counters)
		return DELIVERED;
	if (groups & constants.other_groups) {
		__u64 now = bpf_jiffies64();

		if (counters->checked != now) {
			counters->checked = now;
			groups &= constants.other_groups | ~0ULL << RPA_SEVERAL_SHIFT;
			if (has_lost_socket(ctx, key.index, groups))
				return start_hold_clock(key.index, registration_number);
		}
	}
	if (is_owner)
		counters->selected++;
	else
		counters->failed_over++;
	counters->bytes += ctx->len;
	return DELIVERED;
}

/*
 * Delivers to a slot that is in none of the row's ranks, if it has had a collector and isn't
 * draining. true: delivered.
 */
__noinline bool deliver_to_stand_in(struct sk_reuseport_md *ctx, __u32 slot_index)
{
	const struct rpa_slot *slot;
	struct map_key key;

	key.index = slot_index;
	slot = bpf_map_lookup_elem(&slots, key_at(&key));
	if (!slot)
		return false;
	if (!slot->registration_number || slot->policy & RPA_IS_CLOSED)
		return false;
	return deliver_to_slot(ctx, slot_index, 0) == DELIVERED;
}

/* Tries 16 slots: the slot that received the run, or SELECTED_NONE. */
__noinline int try_stand_ins(struct sk_reuseport_md *ctx, __u32 first)
{
#pragma unroll
	for (__u32 step = 0; step < 16; step++) {
		if (deliver_to_stand_in(ctx, (first + step) % RPA_MAX_SLOTS))
			return (first + step) % RPA_MAX_SLOTS;
	}
	return SELECTED_NONE;
}

/*
 * For a row whose ranks have all been down for longer than the hold time: delivers to the
 * first usable slot, beginning at one that the row's index gives. The whole row gets the same
 * stand-in.
 */
static __always_inline __u32 deliver_to_any_stand_in(struct sk_reuseport_md *ctx, __u32 row)
{
#pragma unroll
	for (__u32 step = 0; step < RPA_MAX_SLOTS; step += 16) {
		__u32 slot_index = try_stand_ins(ctx, row + step);

		if (is_selected(slot_index))
			return slot_index;
	}
	return SELECTED_NONE;
}

/*
 * Delivers to the first usable slot of the given ranks, which begin with rank 2, or else to a
 * stand-in: the slot, SELECTED_NONE_HELD or SELECTED_NONE. high and low are the exporter's
 * address.
 */
__noinline int fail_over(struct sk_reuseport_md *ctx, __u64 ranks, __u64 high, __u64 low)
{
#pragma unroll
	for (int rank = 1; rank < RPA_RANKS; rank++) {
		__u32 slot_index = ranks & RPA_NO_SLOT;
		enum delivery delivery = deliver_to_slot(ctx, slot_index, 0);

		if (delivery == DELIVERED)
			return slot_index;
		if (delivery == SLOT_HELD)
			return SELECTED_NONE_HELD;
		ranks >>= RPA_RANK_BITS;
	}
	/* By the row, not by the address: several addresses may be one exporter. */
	return deliver_to_any_stand_in(ctx, row_index(high, low, hash_of_address(high, low)));
}

/* Delivers by a row's ranks, the owner first. Returns the same as fail_over(). */
static __always_inline __u32 deliver_by_ranks(struct sk_reuseport_md *ctx, __u64 ranks, __u64 high, __u64 low)
{
	__u32 owner = ranks & RPA_NO_SLOT;
	enum delivery delivery = deliver_to_slot(ctx, owner, 1);

	if (delivery == DELIVERED)
		return owner;
	if (delivery == SLOT_HELD)
		return SELECTED_NONE_HELD;
	return fail_over(ctx, ranks >> RPA_RANK_BITS, high, low);
}

#endif
