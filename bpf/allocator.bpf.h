// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tracked exporters: finds the entry of an exporter in "tracked", and gives one to an exporter that
 * has none.
 *
 * The allocator's lock orders those who give entries. A spin lock may not be held across a helper call,
 * so that no map lookup happens under it.
 */
#ifndef ALLOCATOR_BPF_H
#define ALLOCATOR_BPF_H

#include "exporter.bpf.h"

/* Instead of an entry's index. */
#define NO_ENTRY (-1)
#define LOST_RACE (-2) /* another run took the entry first: search again */

/* The time in the unit of tracked exporters. */
static __always_inline __u32 tracking_tick(void)
{
	return bpf_ktime_get_ns() >> RPA_TRACKING_TICK_SHIFT;
}

__noinline int count_untracked(__u64 runs, __u64 bytes)
{
	struct rpa_untracked *counters = bpf_map_lookup_elem(&untracked, ONLY);

	if (counters) {
		counters->runs += runs;
		counters->bytes += bytes;
	}
	return 0;
}

static __always_inline bool is_entry_of(const struct rpa_tracked_exporter *entry, __u64 high, __u64 low)
{
	return entry->low == low && entry->high == high;
}

/* Gives the entry to an exporter. The caller holds the allocator's lock. */
static __always_inline void assign_entry(struct rpa_tracked_exporter *entry, __u64 high, __u64 low, __u32 now)
{
	/* First: what CPUs have counted under the epoch before isn't this exporter's. */
	WRITE_ONCE(entry->epoch, entry->epoch + 1);
	entry->high = high;
	entry->low = low;
	entry->first_seen = now;
	entry->last_seen = now;
	entry->slot = RPA_NO_SLOT;
	entry->notified_slot = RPA_NOT_NOTIFIED;
}

/* Gives a free entry to the exporter, if the limit allows it: the entry's index, NO_ENTRY, or LOST_RACE. */
__noinline int take_free_entry(__u64 high, __u64 low, __u32 index)
{
	struct rpa_exporter_allocator *allocator;
	struct rpa_tracked_exporter *entry;
	__u32 now = tracking_tick();
	struct map_key key;
	int result = LOST_RACE;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return NO_ENTRY;
	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return NO_ENTRY;
	bpf_spin_lock(&allocator->lock);
	if (!entry->epoch) {
		result = NO_ENTRY;
		if (allocator->used < constants.tracked_limit) {
			allocator->used++;
			assign_entry(entry, high, low, now);
			/* The last notification counts as infinitely old: the agent is notified at once. */
			entry->notified = 0;
			result = index;
		}
	}
	bpf_spin_unlock(&allocator->lock);
	return result;
}

static __always_inline bool is_silent(const struct rpa_tracked_exporter *entry, __u32 now, __u32 min_ticks)
{
	/* Signed: another CPU may have seen the exporter since this CPU read the time. */
	return entry->epoch && (__s32)(now - entry->last_seen) >= (__s32)min_ticks;
}

/*
 * Gives the entry of an exporter that has been silent for min_ticks to this exporter. The datagrams of
 * the former one stay counted under the former epoch; its connections join "untracked".
 *
 * The agent is notified of the new exporter only if it sends for longer than an interval: in a
 * flood of addresses that send once each, it is notified of none.
 */
__noinline int replace_silent_entry(__u64 high, __u64 low, __u32 index, __u32 min_ticks)
{
	struct rpa_exporter_allocator *allocator;
	struct rpa_tracked_exporter *entry;
	__u64 runs = 0, bytes = 0;
	__u32 now = tracking_tick();
	struct map_key key;
	int result = LOST_RACE;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return NO_ENTRY;
	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return NO_ENTRY;
	bpf_spin_lock(&allocator->lock);
	if (is_silent(entry, now, min_ticks)) {
		assign_entry(entry, high, low, now);
		entry->notified = now;
		runs = entry->stream_runs;
		bytes = entry->stream_bytes;
		/* Subtracted, not set to 0: another CPU may be adding at this moment. */
		__sync_fetch_and_add(&entry->stream_runs, -runs);
		__sync_fetch_and_add(&entry->stream_bytes, -bytes);
		allocator->evicted++;
		result = index;
	}
	bpf_spin_unlock(&allocator->lock);
	if (runs | bytes)
		count_untracked(runs, bytes);
	return result;
}

/*
 * Of the exporters in the bucket, finds the one that has been silent for longest, and for more than the given
 * ticks: its silence << 32 | its entry's index; 0: there is none.
 */
__noinline __u64 find_silent_in(__u32 bucket, __u32 ticks)
{
	__u32 now = tracking_tick();
	struct map_key key;
	__u64 found = 0;

#pragma unroll
	for (__u32 place = 0; place < RPA_BUCKET_ENTRIES; place++) {
		const struct rpa_tracked_exporter *entry;

		key.index = bucket * RPA_BUCKET_ENTRIES + place;
		entry = bpf_map_lookup_elem(&tracked, key_at(&key));
		if (!entry)
			return 0;
		if (is_silent(entry, now, ticks + 1)) {
			ticks = now - entry->last_seen;
			found = (__u64)ticks << 32 | key.index;
		}
	}
	return found;
}

/* The index of the entry whose exporter has been silent for longest, and for at least min_ticks, among those
 * that the exporter may have, or NO_ENTRY. */
__noinline int find_silent_entry(__u64 hash, __u32 min_ticks)
{
	__u32 ticks = min_ticks - 1;
	int found = NO_ENTRY;

#pragma unroll
	for (__u32 choice = 0; choice < RPA_BUCKET_CHOICES; choice++) {
		__u64 silent = find_silent_in(bucket_of(hash, choice), ticks);

		if (silent) {
			ticks = silent >> 32;
			found = silent;
		}
	}
	return found;
}

/*
 * Gives the exporter an entry: the free one with that index, if it isn't NO_ENTRY, or that of a silent
 * exporter.
 *
 * A search for a silent exporter takes longer than the rest of a run, and fails for each new
 * exporter while all others send. The number of failed searches is therefore limited.
 */
__noinline int allocate_or_replace(__u64 high, __u64 low, __u64 hash, int free)
{
	const struct rpa_settings *pool;
	struct rpa_untracked *searches;
	__u32 min_ticks;
	__u64 now;
	int silent;

	if (free >= 0) {
		int taken = take_free_entry(high, low, free);

		if (taken != NO_ENTRY)
			return taken;
	}
	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return NO_ENTRY;
	min_ticks = READ_ONCE(pool->sampling);
	searches = bpf_map_lookup_elem(&untracked, ONLY);
	if (!searches)
		return NO_ENTRY;
	now = bpf_jiffies64() >> 2;
	if (searches->search_time != now) {
		searches->search_time = now;
		searches->failed_searches = 0;
	}
	if (searches->failed_searches >= RPA_MAX_FAILED_SEARCHES)
		return NO_ENTRY;
	silent = find_silent_entry(hash, min_ticks);
	if (silent < 0) {
		searches->failed_searches++;
		return NO_ENTRY;
	}
	return replace_silent_entry(high, low, silent, min_ticks);
}

/* Of search_bucket(): there is no entry of the exporter, and none that is free; or the one at that place is free. */
#define NOT_IN_BUCKET (-1)
#define FREE_AT(place) (-2 - (place))

/* The index of the exporter's entry in the bucket, FREE_AT() the first free one, or NOT_IN_BUCKET. */
__noinline int search_bucket(__u64 high, __u64 low, __u32 bucket)
{
	int result = NOT_IN_BUCKET;
	struct map_key key;

#pragma unroll
	for (int place = RPA_BUCKET_ENTRIES - 1; place >= 0; place--) {
		const struct rpa_tracked_exporter *entry;

		key.index = bucket * RPA_BUCKET_ENTRIES + place;
		entry = bpf_map_lookup_elem(&tracked, key_at(&key));
		if (!entry)
			return NOT_IN_BUCKET;
		if (!READ_ONCE(entry->epoch))
			result = FREE_AT(place);
		else if (is_entry_of(entry, high, low))
			return key.index;
	}
	return result;
}

/*
 * The index of the exporter's entry, allocated if it has none yet: NO_ENTRY if none can be
 * had, LOST_RACE if the search must be repeated.
 *
 * An entry never becomes free again, and a search therefore ends at the first free one. Once the limit
 * is reached, the search passes free entries: they stay free, and an exporter that took over a silent
 * one's entry may be behind them.
 */
__noinline int find_or_allocate(__u64 high, __u64 low, __u64 hash)
{
	const struct rpa_exporter_allocator *allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	int free = NO_ENTRY;
	bool is_full;

	if (!allocator)
		return NO_ENTRY;
	is_full = READ_ONCE(allocator->used) >= constants.tracked_limit;
#pragma unroll
	for (__u32 choice = 0; choice < RPA_BUCKET_CHOICES; choice++) {
		__u32 bucket = bucket_of(hash, choice);
		int found = search_bucket(high, low, bucket);

		if (found >= 0)
			return found;
		if (found != NOT_IN_BUCKET && !is_full) {
			free = bucket * RPA_BUCKET_ENTRIES + FREE_AT(found);
			break;
		}
	}
	return allocate_or_replace(high, low, hash, free);
}

/* The same, and a lost race once more. Negative: none can be had. */
static __always_inline int entry_for(__u64 high, __u64 low, __u64 hash)
{
	int found = find_or_allocate(high, low, hash);

	return found == LOST_RACE ? find_or_allocate(high, low, hash) : found;
}

#endif
