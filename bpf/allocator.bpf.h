// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tracked exporters: the index that finds an exporter's entry, and the allocator that gives
 * an entry to an exporter that has none.
 *
 *   hash -> words of the index -> entry in "tracked" and its block entries in "cpu_counters"
 *
 * Runs of known exporters only read the index. The allocator's lock orders the others. A
 * spin lock may not be held across a helper call, so that no map lookup happens under it.
 */
#ifndef ALLOCATOR_BPF_H
#define ALLOCATOR_BPF_H

#include "exporter.bpf.h"

/* Words that an exporter may have: the primary ones, then the overflow ones. */
#define INDEX_PROBES (2 * RPA_INDEX_PROBES)

/* Instead of an entry's index. */
#define NO_ENTRY (-1)
#define LOST_RACE (-2) /* another run changed the word first: search again */

/* The time in the unit of tracked exporters. */
static __always_inline __u32 tracking_tick(void)
{
	return bpf_ktime_get_ns() >> RPA_TRACKING_TICK_SHIFT;
}

static __always_inline __u64 make_index_word(__u32 entry_index, __u32 epoch, __u64 hash)
{
	return (hash >> RPA_FINGERPRINT_SHIFT) << RPA_FINGERPRINT_SHIFT |
	       (__u64)(__u16)epoch << RPA_EPOCH_SHIFT | (entry_index + 1);
}

static __always_inline __u32 entry_in_word(__u64 word)
{
	return (__u32)word - 1;
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

/*
 * Assigns a reserved entry to this exporter, unless another run was faster. Returns the
 * entry's index if it is this exporter's afterward, else NO_ENTRY.
 */
__noinline int assign_reserved_entry(__u32 index, __u64 high, __u64 low)
{
	__u32 now = tracking_tick();
	struct rpa_exporter_allocator *allocator;
	struct rpa_tracked_exporter *entry;
	struct map_key key;
	int result = NO_ENTRY;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return NO_ENTRY;
	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return NO_ENTRY;
	bpf_spin_lock(&allocator->lock);
	if (!entry->epoch) {
		assign_entry(entry, high, low, now);
		/* The last notification counts as infinitely old: the agent is notified at once. */
		entry->notified = 0;
	}
	if (entry->low == low && entry->high == high)
		result = index;
	bpf_spin_unlock(&allocator->lock);
	return result;
}

/*
 * Takes the next unused entry, if there is one, and makes a free word lead to it.
 *
 * Which entry is the next one is known only under the lock, and under the lock no entry can
 * be looked up. The entry is therefore reserved first and assigned afterward. A run that comes
 * between the two, mostly one of the same exporter on another CPU, assigns it as well.
 */
static __always_inline int reserve_entry(__u64 *word, struct rpa_exporter_allocator *allocator, __u64 high,
					 __u64 low, __u64 hash)
{
	int result = LOST_RACE;
	__u32 index;

	bpf_spin_lock(&allocator->lock);
	index = allocator->used;
	if (!*word) {
		result = NO_ENTRY;
		if (index < constants.tracked_limit) {
			allocator->used = index + 1;
			result = index;
			WRITE_ONCE(*word, make_index_word(index, 1, hash));
		}
	}
	bpf_spin_unlock(&allocator->lock);
	if (result >= 0 && assign_reserved_entry(index, high, low) < 0)
		result = LOST_RACE;
	return result;
}

static __always_inline bool is_silent(const struct rpa_tracked_exporter *entry, __u32 now, __u32 min_ticks)
{
	/* Signed: another CPU may have seen the exporter since this CPU read the time. */
	return entry->epoch && (__s32)(now - entry->last_seen) >= (__s32)min_ticks;
}

/*
 * Gives the word and the entry of an exporter that has been silent for min_ticks to this
 * exporter. The counts of the former exporter stay under the former epoch.
 *
 * The agent is notified of the new exporter only if it sends for longer than an interval: in a
 * flood of addresses that send once each, it is notified of none.
 */
static __always_inline int replace_silent_entry(__u64 *index_word, struct rpa_exporter_allocator *allocator,
						__u32 min_ticks, __u64 high, __u64 low, __u64 hash)
{
	__u64 word = READ_ONCE(*index_word);
	__u32 now = tracking_tick(), index = entry_in_word(word);
	struct rpa_tracked_exporter *entry;
	int result = LOST_RACE;
	struct map_key key;

	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return NO_ENTRY;
	bpf_spin_lock(&allocator->lock);
	if (*index_word == word && is_silent(entry, now, min_ticks)) {
		assign_entry(entry, high, low, now);
		entry->notified = now;
		allocator->evicted++;
		result = index;
		/* Last: a run that sees the new word finds the new exporter in the entry. */
		WRITE_ONCE(*index_word, make_index_word(index, entry->epoch, hash));
	}
	bpf_spin_unlock(&allocator->lock);
	return result;
}

/* The entry's index if the entry is this exporter's, else NO_ENTRY. */
__noinline int match_entry(__u32 index, __u64 high, __u64 low)
{
	const struct rpa_tracked_exporter *entry;
	struct map_key key;

	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return NO_ENTRY;
	if (!READ_ONCE(entry->epoch))
		return assign_reserved_entry(index, high, low);
	return entry->low == low && entry->high == high ? (int)index : NO_ENTRY;
}

/*
 * Of the exporters in this hash's probe sequence, finds the one that has been silent for
 * longest, and for at least min_ticks: its position, or -1.
 *
 * The search ends at a free word once it has found a silent exporter: runs of the new exporter
 * would stop at the free word, and each of them would have to take the slow path.
 */
__noinline int find_silent_entry(__u64 hash, __u32 min_ticks)
{
	__u32 now = tracking_tick();
	struct map_key key;
	int found = -1;

#pragma unroll
	for (__u32 position = 0; position < INDEX_PROBES; position++) {
		const __u64 *word = index_word_at(hash, position, &key);
		const struct rpa_tracked_exporter *entry;

		if (!word)
			return -1;
		key.index = entry_in_word(READ_ONCE(*word));
		entry = bpf_map_lookup_elem(&tracked, key_at(&key));
		if (!entry) {
			if (found >= 0)
				break;
		} else if (is_silent(entry, now, min_ticks)) {
			min_ticks = now - entry->last_seen;
			found = position;
		}
	}
	return found;
}

/* Allocates an unused entry at the free word of that position: the entry's index, NO_ENTRY if
 * all entries are used, or LOST_RACE. */
__noinline int allocate_entry_at(__u64 high, __u64 low, __u64 hash, __u32 position)
{
	struct rpa_exporter_allocator *allocator;
	struct map_key key;
	__u64 *word;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return NO_ENTRY;
	if (READ_ONCE(allocator->used) >= constants.tracked_limit)
		return NO_ENTRY;
	word = index_word_at(hash, position, &key);
	if (!word)
		return NO_ENTRY;
	return reserve_entry(word, allocator, high, low, hash);
}

/* Replaces the silent exporter at that position. Returns the same as allocate_entry_at(). */
__noinline int replace_entry_at(__u64 high, __u64 low, __u64 hash, __u32 position, __u32 min_ticks)
{
	struct rpa_exporter_allocator *allocator;
	struct map_key key;
	__u64 *word;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return NO_ENTRY;
	word = index_word_at(hash, position, &key);
	if (!word)
		return NO_ENTRY;
	return replace_silent_entry(word, allocator, min_ticks, high, low, hash);
}

/*
 * Gives the exporter an entry: an unused one at the free word of that position, or the entry of
 * a silent exporter.
 *
 * A search for a silent exporter takes longer than the rest of a run, and fails for each new
 * exporter while all others send. The number of failed searches is therefore limited.
 */
__noinline int allocate_or_replace(__u64 high, __u64 low, __u64 hash, __u32 free_position)
{
	const struct rpa_settings *pool;
	struct rpa_untracked *searches;
	__u32 min_ticks;
	__u64 now;
	int position;

	if (free_position < INDEX_PROBES) {
		int allocated = allocate_entry_at(high, low, hash, free_position);

		if (allocated != NO_ENTRY)
			return allocated;
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
	position = find_silent_entry(hash, min_ticks);
	if (position < 0) {
		searches->failed_searches++;
		return NO_ENTRY;
	}
	return replace_entry_at(high, low, hash, position, min_ticks);
}

/*
 * The index of the exporter's entry, allocated if it has none yet: NO_ENTRY if none can be
 * had, LOST_RACE if the search must be repeated.
 *
 * A word never becomes free again, and a search therefore ends at the first free word. Once
 * all entries are used, the search passes free words: they stay free, and an exporter that
 * took over a silent one's word may be behind them.
 */
__noinline int find_or_allocate(__u64 high, __u64 low, __u64 hash)
{
	const struct rpa_exporter_allocator *allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	__u32 free_position = INDEX_PROBES;
	struct map_key key;
	bool is_full;

	if (!allocator)
		return NO_ENTRY;
	is_full = READ_ONCE(allocator->used) >= constants.tracked_limit;
#pragma unroll
	for (__u32 position = 0; position < INDEX_PROBES; position++) {
		const __u64 *index_word = index_word_at(hash, position, &key);
		__u64 word;

		if (!index_word)
			return NO_ENTRY;
		word = READ_ONCE(*index_word);
		if (!word) {
			free_position = position;
			if (!is_full)
				break;
		} else if (has_fingerprint_of(word, hash)) {
			int found = match_entry(entry_in_word(word), high, low);

			if (found != NO_ENTRY)
				return found;
		}
	}
	return allocate_or_replace(high, low, hash, free_position);
}

#endif
