// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tracked exporters: counts their runs for each CPU, caches the ranks of their rows, and
 * notifies the agent of them.
 */
#ifndef TRACKING_BPF_H
#define TRACKING_BPF_H

#include "allocator.bpf.h"
#include "slot.bpf.h"

/*
 * A tracked exporter is identified by its number: 1 + the index of its entry; 0 is no
 * exporter. Each CPU has its own counters of it. A run stays on its CPU, and no run interrupts
 * another on the same CPU.
 */
static __always_inline __u32 first_counters(void)
{
	return (bpf_get_smp_processor_id() & constants.counter_block_mask) * constants.tracked_limit;
}

/* This CPU's counters of the exporter, or NULL. */
static __always_inline struct rpa_cpu_counters *counters_of(__u32 number, struct map_key *key)
{
	key->index = first_counters() + number - 1;
	return bpf_map_lookup_elem(&cpu_counters, key_at(key));
}

/* The number for which counters_of() made the key: no register has to keep the number. */
static __always_inline __u32 number_of_key(const struct map_key *key)
{
	return key->index - first_counters() + 1;
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

/*
 * Makes this CPU's counters those of the entry's present exporter. What they have counted for
 * the former one joins "untracked". Happens once for each epoch and CPU, under the lock,
 * because CPUs may share counters.
 */
__noinline int reset_counters(__u32 number)
{
	__u64 udp_runs = 0, tcp_runs = 0, udp_bytes = 0, tcp_bytes = 0;
	const struct rpa_tracked_exporter *entry;
	struct rpa_exporter_allocator *allocator;
	struct rpa_cpu_counters *counters;
	struct map_key key;

	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return 0;
	counters = counters_of(number, &key);
	if (!counters)
		return 0;
	key.index = number - 1;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return 0;
	bpf_spin_lock(&allocator->lock);
	if (counters->epoch != entry->epoch) {
		udp_runs = counters->runs[0];
		tcp_runs = counters->runs[1];
		udp_bytes = counters->bytes[0];
		tcp_bytes = counters->bytes[1];
		/* Subtracted, not set to 0: a CPU that shares them may be adding at this moment. */
		__sync_fetch_and_add(&counters->runs[0], -udp_runs);
		__sync_fetch_and_add(&counters->runs[1], -tcp_runs);
		__sync_fetch_and_add(&counters->bytes[0], -udp_bytes);
		__sync_fetch_and_add(&counters->bytes[1], -tcp_bytes);
		counters->high = entry->high;
		counters->low = entry->low;
		WRITE_ONCE(counters->ranks, 0);
		counters->slot = RPA_NO_SLOT;
		/* Last: a CPU that shares them sees the exporter if it sees the epoch. */
		WRITE_ONCE(counters->epoch, entry->epoch);
	}
	bpf_spin_unlock(&allocator->lock);
	count_untracked(udp_runs + tcp_runs, udp_bytes + tcp_bytes);
	return 0;
}

/* The exporter's number, 0 if no entry can be had. This CPU's counters are the exporter's
 * afterward. */
__noinline __u32 track_exporter(__u64 high, __u64 low, __u64 hash)
{
	int found = find_or_allocate(high, low, hash);
	const struct rpa_tracked_exporter *entry;
	const struct rpa_cpu_counters *counters;
	struct map_key key;
	__u32 epoch;

	if (found == LOST_RACE)
		found = find_or_allocate(high, low, hash);
	if (found < 0)
		return 0;
	key.index = found;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return 0;
	epoch = entry->epoch;
	counters = counters_of(found + 1, &key);
	if (!counters)
		return 0;
	if (counters->epoch != epoch)
		reset_counters(found + 1);
	return found + 1;
}

/* The first word of the index that may be the exporter's, or 0. Its low 32 bits are the
 * exporter's number. */
static __always_inline __u64 find_index_word(__u64 hash, struct map_key *key)
{
#pragma unroll
	for (__u32 position = 0; position < RPA_INDEX_PROBES + 4; position++) {
		const __u64 *index_word = index_word_at(hash, position, key);
		__u64 word;

		if (!index_word)
			return 0;
		word = READ_ONCE(*index_word);
		if (!word || has_fingerprint_of(word, hash))
			return word;
	}
	return 0;
}

/* Whether the counters that the word leads to are this exporter's. */
static __always_inline bool belongs_to(const struct rpa_cpu_counters *counters, __u64 word, __u64 high,
				       __u64 low)
{
	return (__u16)counters->epoch == (__u16)(word >> RPA_EPOCH_SHIFT) && counters->low == low &&
	       counters->high == high;
}

static __always_inline void add_run(struct rpa_cpu_counters *counters, __u64 length)
{
	const __u32 protocol = constants.is_stream ? 1 : 0;

	if (constants.shares_counters) {
		__sync_fetch_and_add(&counters->runs[protocol], 1);
		__sync_fetch_and_add(&counters->bytes[protocol], length);
	} else {
		counters->runs[protocol]++;
		counters->bytes[protocol] += length;
	}
}

/* Counts a run of an exporter that may not be tracked yet: its number, or 0. */
static __always_inline __u32 track_and_count(__u64 high, __u64 low, __u64 hash, __u64 length)
{
	__u32 number = track_exporter(high, low, hash);
	struct rpa_cpu_counters *counters;
	struct map_key key;

	if (!number) {
		count_untracked(1, length);
		return 0;
	}
	counters = counters_of(number, &key);
	if (!counters)
		return 0;
	add_run(counters, length);
	return number;
}

/* Counts a run of an exporter: its number, or 0. */
__noinline __u32 count_run(__u64 high, __u64 low, __u64 hash, __u64 length)
{
	struct rpa_cpu_counters *counters;
	struct map_key key;
	__u64 word;

	word = find_index_word(hash, &key);
	if (!(__u32)word)
		return track_and_count(high, low, hash, length);
	counters = counters_of(word, &key);
	if (!counters)
		return 0;
	if (!belongs_to(counters, word, high, low))
		return track_and_count(high, low, hash, length);
	add_run(counters, length);
	return word;
}

/* The same for an exporter that find_index_word() has just not found. */
__noinline __u32 count_first_run(__u64 high, __u64 low, __u64 hash, __u64 length)
{
	return track_and_count(high, low, hash, length);
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

/* Updates when the exporter was last seen and which slot received its run, unless the entry
 * has another exporter by now. */
__noinline int update_entry(__u32 number, __u32 epoch, __u32 slot)
{
	const struct rpa_settings *pool;
	__u32 now = tracking_tick(), interval;
	struct rpa_tracked_exporter *entry;
	struct rpa_exporter_allocator *allocator;
	struct map_key key;

	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return 0;
	interval = READ_ONCE(pool->sampling) >> 32;
	allocator = bpf_map_lookup_elem(&exporter_alloc, ONLY);
	if (!allocator)
		return 0;
	key.index = number - 1;
	entry = bpf_map_lookup_elem(&tracked, key_at(&key));
	if (!entry)
		return 0;
	if (entry->epoch != epoch)
		return 0;
	/* Written only if they differ, because all CPUs share the cache line. */
	if (entry->last_seen != now)
		entry->last_seen = now;
	if (slot != RPA_NO_SLOT && entry->slot != slot)
		entry->slot = slot;
	if (is_notification_due(entry, now, interval))
		notify_agent(entry, allocator, now, interval);
	return 0;
}

/*
 * Records the slot that received the exporter's run, or RPA_NO_SLOT if the run is dropped.
 *
 * The entry is updated once in 64 jiffies for each exporter and CPU, because the clock and the
 * shared cache line cost more than the rest of the run. It is updated at once if the exporter
 * moved to another slot, or if the agent asks for an event for each run.
 */
static __always_inline void record_receiver(struct rpa_cpu_counters *counters, const struct map_key *key,
					    __u32 slot)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	__u16 jiffy = bpf_jiffies64() >> 6;

	if (!pool)
		return;
	if (counters->jiffy == jiffy && READ_ONCE(pool->sampling) >> 32 &&
	    (slot == RPA_NO_SLOT || constants.selection != RPA_BY_EXPORTER || counters->slot == slot))
		return;
	counters->jiffy = jiffy;
	if (slot != RPA_NO_SLOT)
		counters->slot = slot;
	update_entry(number_of_key(key), counters->epoch, slot);
}

/* The same for an exporter's number, which may be 0, and for the result of a selection. */
__noinline int record_selection(__u32 number, __u32 selected)
{
	struct rpa_cpu_counters *counters;
	struct map_key key;

	if (!number)
		return 0;
	counters = counters_of(number, &key);
	if (!counters)
		return 0;
	record_receiver(counters, &key, is_selected(selected) ? selected : RPA_NO_SLOT);
	return 0;
}

/*
 * The mark of cached ranks. The ranks of an exporter's row are cached with its counters, whose
 * cache line a run needs anyway. They are valid while neither the program's generation nor the
 * version of the settings changes. The agent makes the version odd before it writes rows, and
 * even afterward. While it is odd, nothing is cached: an agent that is killed in the middle of
 * writing leaves no exporter with two different rows.
 *
 * Ranks and mark share one word, because CPUs that share the counters may write at the same
 * time. The mark also depends on the exporter, because the counters may be another exporter's
 * by then. It repeats after 2^23 changes of the rows. It is always odd, unlike the mark in a
 * word of 0.
 */
static __always_inline __u64 rank_cache_mark(__u32 version, __u64 hash)
{
	/* An odd version and the even one after it have the same mark: under the odd one, nothing
	 * is cached. */
	return (((__u64)constants.generation * 0x9e3779b1 + ((version + 1) >> 1) + (__u32)(hash >> 20)) << 1 |
		1) &
	       0xffffff;
}

/* Reads the ranks of the exporter's row, and caches them if the exporter has counters: number
 * isn't 0. RPA_NO_SLOT in each rank if the row can't be read. */
__noinline __u64 read_and_cache_ranks(__u64 high, __u64 low, __u64 hash, __u32 number)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	struct rpa_cpu_counters *counters;
	struct map_key key;
	const __u64 *row;
	__u32 version;
	__u64 ranks;

	if (!pool)
		return ~0ULL;
	/* Read before the row: ranks that are cached under a version are never older than it. */
	version = READ_ONCE(pool->version);
	row = row_at(row_index(high, low, hash), &key);
	if (!row)
		return ~0ULL;
	ranks = READ_ONCE(*row) & RANKS_MASK;
	if (!number || version & 1)
		return ranks;
	counters = counters_of(number, &key);
	if (counters)
		WRITE_ONCE(counters->ranks, ranks | rank_cache_mark(version, hash) << RPA_SYN_SHIFT);
	return ranks;
}

#endif
