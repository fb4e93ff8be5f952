// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tracked exporters: counts their runs for each CPU, caches the owners of their rows, and
 * notifies the agent of them.
 */
#ifndef TRACKING_BPF_H
#define TRACKING_BPF_H

#include "allocator.bpf.h"
#include "slot.bpf.h"

/*
 * An exporter is known by the index of its entry, which is the same in "tracked" and in each block
 * of counters. A run stays on its CPU, and no run interrupts another on the same CPU.
 */

/* The exporter in its counters. */
static __always_inline __u64 identity_of(__u64 hash)
{
	return hash | 1;
}

/* The first bucket of this CPU's counters. */
static __always_inline __u32 first_bucket(void)
{
	return (bpf_get_smp_processor_id() & constants.counter_block_mask) *
	       (constants.primary_buckets + constants.other_buckets);
}

/* This CPU's counters with the index, or NULL. */
static __always_inline struct rpa_cpu_counters *counters_at(__u32 index, struct map_key *key)
{
	struct rpa_counter_bucket *bucket;

	key->index = first_bucket() + index / RPA_BUCKET_ENTRIES;
	bucket = bpf_map_lookup_elem(&cpu_counters, key_at(key));
	if (!bucket)
		return NULL;
	/* Else the compiler would add to a pointer that may be NULL. */
	asm volatile("" : "+r"(bucket));
	return &bucket->entries[index % RPA_BUCKET_ENTRIES];
}

/*
 * The exporter's counters in the bucket, or NULL. The asm hides each address from the compiler, which would
 * add a computed index to the bucket's: the verifier refuses that without CAP_PERFMON.
 */
static __always_inline struct rpa_cpu_counters *counters_in(struct rpa_counter_bucket *bucket, __u64 identity)
{
	struct rpa_cpu_counters *counters;

#pragma unroll
	for (__u32 place = 0; place < RPA_BUCKET_ENTRIES; place++) {
		if (bucket->entries[place].identity == identity) {
			counters = &bucket->entries[place];
			asm volatile("" : "+r"(counters));
			return counters;
		}
	}
	return NULL;
}

/* The index of this CPU's counters of the exporter, from one of its buckets on, or NO_ENTRY. */
static __always_inline int find_counters_from(__u64 hash, __u32 first_choice)
{
	const __u32 first = first_bucket();
	const __u64 identity = identity_of(hash);
	struct map_key key;

#pragma unroll
	for (__u32 choice = first_choice; choice < RPA_BUCKET_CHOICES; choice++) {
		const __u32 number = bucket_of(hash, choice);
		const struct rpa_counter_bucket *bucket;

		key.index = first + number;
		bucket = bpf_map_lookup_elem(&cpu_counters, key_at(&key));
		if (!bucket)
			return NO_ENTRY;
#pragma unroll
		for (__u32 place = 0; place < RPA_BUCKET_ENTRIES; place++) {
			if (bucket->entries[place].identity == identity)
				return number * RPA_BUCKET_ENTRIES + place;
		}
	}
	return NO_ENTRY;
}

__noinline int find_counters(__u64 hash)
{
	return find_counters_from(hash, 0);
}

/* The same, without the primary bucket. */
__noinline int find_counters_beyond(__u64 hash)
{
	return find_counters_from(hash, 1);
}

static __always_inline __u16 epoch_of(__u64 state)
{
	return state >> RPA_STATE_EPOCH_SHIFT;
}

/* The time in the unit of the states of counters, without the exporter's part. */
#define STATE_TIME_MASK ((1ULL << RPA_STATE_TIME_BITS) - 1)

/* The time for the state of the exporter's counters. A part of its hash is added, so that not all
 * exporters are due for an update at once. */
static __always_inline __u64 state_time_of(__u64 hash)
{
	return ((bpf_jiffies64() >> RPA_STATE_JIFFIES_SHIFT) + (hash >> 1)) & STATE_TIME_MASK;
}

/*
 * Takes what the counters have counted for the exporter that had them, and gives them to another one, or to
 * nobody: identity 0. The caller holds the lock, because CPUs may share counters.
 */
static __always_inline void hand_over(struct rpa_cpu_counters *counters, __u64 identity, __u64 state,
				      __u64 *runs, __u64 *bytes)
{
	*runs = counters->runs;
	*bytes = counters->bytes;
	/* Subtracted, not set to 0: a CPU that shares them may be adding at this moment. */
	__sync_fetch_and_add(&counters->runs, -*runs);
	__sync_fetch_and_add(&counters->bytes, -*bytes);
	WRITE_ONCE(counters->state, state);
	/* Last: a CPU that shares them finds the exporter by it. */
	WRITE_ONCE(counters->identity, identity);
}

/*
 * Makes this CPU's counters with that index those of the exporter, which has the entry: 1; 0 if the entry
 * is another exporter's by now. What they have counted for the former one joins "untracked".
 */
__noinline int claim_counters(__u64 high, __u64 low, __u64 hash, __u32 index)
{
	/* An update is due at once: all bits of the time differ. */
	const __u64 time = state_time_of(hash) ^ STATE_TIME_MASK;
	const struct rpa_tracked_exporter *entry;
	struct rpa_exporter_allocator *allocator;
	struct rpa_cpu_counters *counters;
	__u64 runs = 0, bytes = 0;
	struct map_key key;
	int is_claimed = 0;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return 0;
	counters = counters_at(index, &key);
	if (!counters)
		return 0;
	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return 0;
	bpf_spin_lock(&allocator->lock);
	if (is_entry_of(entry, high, low)) {
		is_claimed = 1;
		if (counters->identity != identity_of(hash) ||
		    epoch_of(counters->state) != (__u16)entry->epoch)
			hand_over(counters, identity_of(hash),
				  (__u64)(__u16)entry->epoch << RPA_STATE_EPOCH_SHIFT |
					  time << RPA_STATE_TIME_SHIFT,
				  &runs, &bytes);
	}
	bpf_spin_unlock(&allocator->lock);
	if (runs | bytes)
		count_untracked(runs, bytes);
	return is_claimed;
}

/* Takes this CPU's counters from an exporter whose entry is another one's since this epoch. */
__noinline int release_counters(__u32 index, __u64 hash, __u32 epoch)
{
	struct rpa_exporter_allocator *allocator;
	struct rpa_cpu_counters *counters;
	__u64 runs = 0, bytes = 0;
	struct map_key key;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return 0;
	counters = counters_at(index, &key);
	if (!counters)
		return 0;
	bpf_spin_lock(&allocator->lock);
	/* A CPU that shares them may have given them to another exporter. */
	if (counters->identity == identity_of(hash) && epoch_of(counters->state) == (__u16)epoch)
		hand_over(counters, 0, 0, &runs, &bytes);
	bpf_spin_unlock(&allocator->lock);
	return count_untracked(runs, bytes);
}

static __always_inline void add_run(struct rpa_cpu_counters *counters, __u64 length)
{
	if (constants.shares_counters) {
		__sync_fetch_and_add(&counters->runs, 1);
		__sync_fetch_and_add(&counters->bytes, length);
	} else {
		counters->runs++;
		counters->bytes += length;
	}
}

/* Counts a datagram. found: what find_counters() has returned. The index of the exporter's
 * counters, or NO_ENTRY. */
__noinline int count_datagram(__u64 high, __u64 low, __u64 hash, int found, __u64 length)
{
	struct rpa_cpu_counters *counters;
	struct map_key key;

	if (found < 0) {
		found = entry_for(high, low, hash);
		if (found < 0 || !claim_counters(high, low, hash, found)) {
			count_untracked(1, length);
			return NO_ENTRY;
		}
	}
	counters = counters_at(found, &key);
	if (!counters)
		return NO_ENTRY;
	add_run(counters, length);
	return found;
}

/* notify_agent() builds this struct of whole words, see verifier.bpf.h, rule 3. */
_Static_assert(sizeof(struct rpa_exporter_event) == 24 &&
		       __builtin_offsetof(struct rpa_exporter_event, seen) == 16 &&
		       __builtin_offsetof(struct rpa_exporter_event, slot) == 20 &&
		       __builtin_offsetof(struct rpa_exporter_event, former_slot) == 22,
	       "event of an exporter");

/* Signed: another CPU may have notified the agent since this CPU read the time. */
static __always_inline bool is_notification_due(const struct rpa_tracked_exporter *entry, __u32 now,
						__u32 interval)
{
	return !entry->notified || (__s32)(now - entry->notified) >= (__s32)interval;
}

/* Notifies the agent of the exporter, unless another CPU has just done it. */
static __always_inline void notify_agent(struct rpa_tracked_exporter *entry,
					 struct rpa_exporter_allocator *allocator, __u32 now, __u32 interval)
{
	__u64 event[3] = {};
	bool is_due;

	bpf_spin_lock(&allocator->lock);
	is_due = is_notification_due(entry, now, interval);
	if (is_due) {
		event[0] = entry->high;
		event[1] = entry->low;
		event[2] = word_of_event(now, entry->slot, entry->notified_slot);
		entry->notified = now;
		entry->notified_slot = entry->slot;
	}
	bpf_spin_unlock(&allocator->lock);
	if (is_due && bpf_ringbuf_output(&exporter_events, event, sizeof(event), 0)) {
		struct rpa_untracked *counters = bpf_map_lookup_elem(&untracked, ONLY);

		if (counters)
			counters->events_lost++;
	}
}

/*
 * Updates when the exporter was last seen and which slot received its run, if not RPA_NO_SLOT. 0: the entry
 * is another exporter's by now. state_time: state_time_of() the exporter.
 */
__noinline int update_entry(__u32 index, __u32 epoch, __u32 slot, __u32 state_time)
{
	const struct rpa_settings *pool;
	__u32 now = tracking_tick(), interval;
	struct rpa_tracked_exporter *entry;
	struct rpa_exporter_allocator *allocator;
	struct map_key key;

	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return 1;
	interval = READ_ONCE(pool->sampling) >> 32;
	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return 1;
	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return 1;
	if ((__u16)entry->epoch != (__u16)epoch)
		return 0;
	/* Written only if they differ, because all CPUs share the cache line. */
	if (entry->last_seen != now)
		entry->last_seen = now;
	if (entry->state_time != state_time)
		entry->state_time = state_time;
	if (slot != RPA_NO_SLOT && entry->slot != slot)
		entry->slot = slot;
	if (is_notification_due(entry, now, interval))
		notify_agent(entry, allocator, now, interval);
	return 1;
}

/*
 * Whether a run at that time is to update the exporter's entry.
 *
 * The entry is updated once in a period for each exporter and CPU, because the clock and the
 * shared cache line cost more than the rest of the run; by each run if the agent asks for an event for
 * each. Besides, the first run that goes to another slot than the owner updates it, and the first one that
 * goes to the owner again.
 */
static __always_inline bool is_update_due(__u64 state, __u64 time, __u64 update_mask)
{
	return ((time ^ (state >> RPA_STATE_TIME_SHIFT & STATE_TIME_MASK)) | RPA_UPDATE_ALWAYS) & update_mask;
}

static __always_inline __u64 state_at(__u64 state, __u64 time)
{
	return (state & ~(STATE_TIME_MASK << RPA_STATE_TIME_SHIFT)) | time << RPA_STATE_TIME_SHIFT;
}

/*
 * Records the receiver of a datagram, with the index of its counters: the result of a selection.
 * The caller hasn't written the time of the state: whether an update is due depends on the old one.
 */
__noinline int record_datagram(__u64 hash, int index, __u32 selected)
{
	const struct rpa_settings *pool;
	struct rpa_cpu_counters *counters;
	__u64 time = state_time_of(hash), update_mask, state;
	struct map_key key;
	bool must_update;

	if (index < 0)
		return 0;
	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return 0;
	update_mask = READ_ONCE(pool->update_mask);
	counters = counters_at(index, &key);
	if (!counters)
		return 0;
	state = READ_ONCE(counters->state);
	must_update = is_update_due(state, time, update_mask);
	state = state_at(state, time);
	if (!is_selected(selected)) {
		selected = RPA_NO_SLOT;
	} else if (constants.selection != RPA_BY_EXPORTER || selected == (state & RPA_STATE_OWNER)) {
		must_update |= !(state & RPA_STATE_NOTED);
		state = (state | RPA_STATE_NOTED) & ~RPA_STATE_AWAY;
	} else {
		must_update |= !(state & RPA_STATE_AWAY);
		state = (state | RPA_STATE_AWAY) & ~RPA_STATE_NOTED;
	}
	WRITE_ONCE(counters->state, state);
	if (must_update && !update_entry(index, epoch_of(state), selected, time))
		return release_counters(index, hash, epoch_of(state));
	return 0;
}

/* Counts a connection, and records its receiver: the result of a selection. */
__noinline int record_connection(__u64 high, __u64 low, __u64 hash, __u32 selected, __u64 length)
{
	int index = entry_for(high, low, hash);
	struct rpa_tracked_exporter *entry;
	struct map_key key;
	__u32 epoch;

	if (index < 0)
		return count_untracked(1, length);
	key.index = index;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return 0;
	epoch = READ_ONCE(entry->epoch);
	/* It has just become another exporter's. */
	if (!is_entry_of(entry, high, low))
		return count_untracked(1, length);
	__sync_fetch_and_add(&entry->stream_runs, 1);
	__sync_fetch_and_add(&entry->stream_bytes, length);
	update_entry(index, epoch, is_selected(selected) ? selected : RPA_NO_SLOT, state_time_of(hash));
	return 0;
}

/*
 * The mark of a cached owner. The owner of an exporter's row is cached in the state of its counters, whose
 * cache line a run needs anyway. It is valid while neither the program's generation nor the
 * version of the settings changes. The agent makes the version odd before it writes rows, and
 * even afterward. While it is odd, nothing is cached: an agent that is killed in the middle of
 * writing leaves no exporter with two different rows.
 *
 * The mark also depends on the exporter, because the counters may be another exporter's
 * by then. It repeats after 2^23 changes of the rows. It is always odd, unlike that of new counters.
 */
static __always_inline __u64 owner_mark(__u32 version, __u64 hash)
{
	/* An odd version and the even one after it have the same mark: under the odd one, nothing
	 * is cached. */
	return (((__u64)constants.generation * 0x9e3779b1 + ((version + 1) >> 1) + (__u32)(hash >> 20)) << 1 |
		1) &
	       0xffffff;
}

/* Reads the ranks of the exporter's row, and caches its owner if the exporter has counters: index isn't
 * negative. RPA_NO_SLOT in each rank if the row can't be read. */
__noinline __u64 read_ranks_and_cache_owner(__u64 high, __u64 low, __u64 hash, int index)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	struct rpa_cpu_counters *counters;
	struct map_key key;
	const __u64 *row;
	__u32 version;
	__u64 ranks;

	if (!pool)
		return ~0ULL;
	/* Read before the row: an owner that is cached under a version is never older than it. */
	version = READ_ONCE(pool->version);
	row = row_at(row_index(high, low, hash), &key);
	if (!row)
		return ~0ULL;
	ranks = READ_ONCE(*row) & RANKS_MASK;
	if (index < 0 || version & 1 || (ranks & RPA_NO_SLOT) > RPA_STATE_OWNER)
		return ranks;
	counters = counters_at(index, &key);
	if (counters) {
		__u64 kept = READ_ONCE(counters->state) & ((1ULL << RPA_STATE_MARK_SHIFT) - 1) &
			     ~(RPA_STATE_OWNER | RPA_STATE_NOTED | RPA_STATE_AWAY);

		WRITE_ONCE(counters->state, kept | (ranks & RPA_STATE_OWNER) |
						    owner_mark(version, hash) << RPA_STATE_MARK_SHIFT);
	}
	return ranks;
}

#endif
