// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What exporters send: counted for each, on each CPU, with the ranks that were read for it. */
#ifndef SIGHTING_BPF_H
#define SIGHTING_BPF_H

#include "admission.bpf.h"
#include "slot.bpf.h"

/*
 * A tracked exporter is named by its number: 1 + the index of its sighting; 0 names
 * none. Its tally on this CPU is looked up by that. Runs don't move between CPUs, and
 * none interrupts another.
 */
static __always_inline __u32 first_tally(void)
{
	return (bpf_get_smp_processor_id() & constants.tally_mask) * constants.sighting_limit;
}

static __always_inline struct rpa_tally *tally_of(__u32 number, struct map_key *key)
{
	key->index = first_tally() + number - 1;
	return bpf_map_lookup_elem(&tallies, key_at(key));
}

/* The number whose tally was looked up by that key. */
static __always_inline __u32 number_of(const struct map_key *key)
{
	return key->index - first_tally() + 1;
}

__noinline int count_untracked(__u64 runs, __u64 bytes)
{
	struct rpa_untracked *count = bpf_map_lookup_elem(&untracked, ONLY);

	if (count) {
		count->runs += runs;
		count->bytes += bytes;
	}
	return 0;
}

/* The entry becomes that of the sighting's present exporter. Once for each entry and
 * epoch: with the lock, for CPUs may share it. */
__noinline int renew_tally(__u32 number)
{
	__u64 udp_runs = 0, tcp_runs = 0, udp_bytes = 0, tcp_bytes = 0;
	const struct rpa_sighting *sighting;
	struct rpa_admission *gate;
	struct rpa_tally *tally;
	struct map_key key;

	gate = bpf_map_lookup_elem(&admission, ONLY);
	if (!gate)
		return 0;
	tally = tally_of(number, &key);
	if (!tally)
		return 0;
	key.index = number - 1;
	sighting = bpf_map_lookup_elem(&sightings, key_at(&key));
	if (!sighting)
		return 0;
	bpf_spin_lock(&gate->lock);
	if (tally->epoch != sighting->epoch) {
		udp_runs = tally->runs[0];
		tcp_runs = tally->runs[1];
		udp_bytes = tally->bytes[0];
		tcp_bytes = tally->bytes[1];
		/* Not to zero: another CPU may be adding to it. */
		__sync_fetch_and_add(&tally->runs[0], -udp_runs);
		__sync_fetch_and_add(&tally->runs[1], -tcp_runs);
		__sync_fetch_and_add(&tally->bytes[0], -udp_bytes);
		__sync_fetch_and_add(&tally->bytes[1], -tcp_bytes);
		tally->high = sighting->high;
		tally->low = sighting->low;
		WRITE_ONCE(tally->ranks, 0);
		tally->slot = RPA_NO_SLOT;
		/* Last: who shares it sees the epoch, then the exporter. */
		WRITE_ONCE(tally->epoch, sighting->epoch);
	}
	bpf_spin_unlock(&gate->lock);
	count_untracked(udp_runs + tcp_runs, udp_bytes + tcp_bytes);
	return 0;
}

/* The exporter's number, whose tally on this CPU is its own from here on; 0: it isn't
 * tracked. */
__noinline __u32 find_or_admit(__u64 high, __u64 low, __u64 hash)
{
	int found = admit(high, low, hash);
	const struct rpa_sighting *sighting;
	const struct rpa_tally *tally;
	struct map_key key;
	__u32 epoch;

	if (found == TAKEN_MEANWHILE)
		found = admit(high, low, hash);
	if (found < 0)
		return 0;
	key.index = found;
	sighting = bpf_map_lookup_elem(&sightings, key_at(&key));
	if (!sighting)
		return 0;
	epoch = sighting->epoch;
	tally = tally_of(found + 1, &key);
	if (!tally)
		return 0;
	if (tally->epoch != epoch)
		renew_tally(found + 1);
	return found + 1;
}

/* The first word that may be the exporter's, or 0. */
static __always_inline __u64 find_word(__u64 hash, struct map_key *key)
{
#pragma unroll
	for (__u32 probe = 0; probe < RPA_SIGHTING_PROBES + 4; probe++) {
		const __u64 *place = place_of(hash, probe, key);
		__u64 word;

		if (!place)
			return 0;
		word = READ_ONCE(*place);
		if (!word || may_be_of(word, hash))
			return word;
	}
	return 0;
}

/* Whether it is the exporter's that the word leads to. */
static __always_inline bool is_of(const struct rpa_tally *tally, __u64 word, __u64 high, __u64 low)
{
	return (__u16)tally->epoch == (__u16)(word >> RPA_EPOCH_SHIFT) && tally->low == low &&
	       tally->high == high;
}

static __always_inline void count_tally(struct rpa_tally *tally, __u64 length)
{
	const __u32 protocol = constants.is_stream ? 1 : 0;

	if (constants.shares_tallies) {
		__sync_fetch_and_add(&tally->runs[protocol], 1);
		__sync_fetch_and_add(&tally->bytes[protocol], length);
	} else {
		tally->runs[protocol]++;
		tally->bytes[protocol] += length;
	}
}

/* Counts a run of an exporter that is tracked from here on, if there is a place for it. */
static __always_inline __u32 admit_and_count(__u64 high, __u64 low, __u64 hash, __u64 length)
{
	__u32 number = find_or_admit(high, low, hash);
	struct rpa_tally *tally;
	struct map_key key;

	if (!number) {
		count_untracked(1, length);
		return 0;
	}
	tally = tally_of(number, &key);
	if (!tally)
		return 0;
	count_tally(tally, length);
	return number;
}

/* Counts a run of the exporter: its number, or 0. */
__noinline __u32 count_run(__u64 high, __u64 low, __u64 hash, __u64 length)
{
	struct rpa_tally *tally;
	struct map_key key;
	__u64 word;

	word = find_word(hash, &key);
	if (!(__u32)word)
		return admit_and_count(high, low, hash, length);
	tally = tally_of(word, &key);
	if (!tally)
		return 0;
	if (!is_of(tally, word, high, low))
		return admit_and_count(high, low, hash, length);
	count_tally(tally, length);
	return word;
}

/* The same of one that was not found a moment ago. */
__noinline __u32 count_first_run(__u64 high, __u64 low, __u64 hash, __u64 length)
{
	return admit_and_count(high, low, hash, length);
}

_Static_assert(sizeof(struct rpa_sighting_event) == 24 &&
		       __builtin_offsetof(struct rpa_sighting_event, seen) == 16 &&
		       __builtin_offsetof(struct rpa_sighting_event, slot) == 20 &&
		       __builtin_offsetof(struct rpa_sighting_event, former_slot) == 22,
	       "the words of an event");

/* Notifies the agent, unless another CPU has just done so. */
static __always_inline void notify(struct rpa_sighting *sighting, struct rpa_admission *gate, __u32 now,
				   __u32 interval)
{
	/* struct rpa_sighting_event, in words. */
	__u64 event[3] = {};
	bool is_due;

	bpf_spin_lock(&gate->lock);
	/* Signed: another CPU may have told it since our look at the clock. */
	is_due = !sighting->told || (__s32)(now - sighting->told) >= (__s32)interval;
	if (is_due) {
		event[0] = sighting->high;
		event[1] = sighting->low;
		event[2] = word_of_event(now, sighting->slot, sighting->told_slot);
		sighting->told = now;
		sighting->told_slot = sighting->slot;
	}
	bpf_spin_unlock(&gate->lock);
	if (is_due && bpf_ringbuf_output(&sighting_events, event, sizeof(event), 0)) {
		struct rpa_untracked *count = bpf_map_lookup_elem(&untracked, ONLY);

		if (count)
			count->events_lost++;
	}
}

/* Notes when the exporter was seen and who received its run, unless the entry is another's by now. */
__noinline int note_sighting(__u32 number, __u32 epoch, __u32 slot)
{
	const struct rpa_settings *pool;
	__u32 now = sighting_tick(), interval;
	struct rpa_sighting *sighting;
	struct rpa_admission *gate;
	struct map_key key;

	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return 0;
	interval = READ_ONCE(pool->sampling) >> 32;
	gate = bpf_map_lookup_elem(&admission, ONLY);
	if (!gate)
		return 0;
	key.index = number - 1;
	sighting = bpf_map_lookup_elem(&sightings, key_at(&key));
	if (!sighting)
		return 0;
	if (sighting->epoch != epoch)
		return 0;
	/* Written only if they differ: the line is shared. */
	if (sighting->last_seen != now)
		sighting->last_seen = now;
	if (slot != RPA_NO_SLOT && sighting->slot != slot)
		sighting->slot = slot;
	if (!sighting->told || (__s32)(now - sighting->told) >= (__s32)interval)
		notify(sighting, gate, now, interval);
	return 0;
}

/*
 * A run of a tracked exporter is over: slot received it, or RPA_NO_SLOT. The clock is
 * read once in 64 jiffies for each exporter and CPU, unless it has moved or the agent
 * wants to know of each run: the clock and the shared line cost more than all the rest.
 */
static __always_inline void note_end(struct rpa_tally *tally, const struct map_key *key, __u32 slot)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	__u16 jiffy = bpf_jiffies64() >> 6;

	if (!pool)
		return;
	if (tally->jiffy == jiffy && READ_ONCE(pool->sampling) >> 32 &&
	    (slot == RPA_NO_SLOT || constants.selection != RPA_BY_EXPORTER || tally->slot == slot))
		return;
	tally->jiffy = jiffy;
	if (slot != RPA_NO_SLOT)
		tally->slot = slot;
	note_sighting(number_of(key), tally->epoch, slot);
}

/* The same, for a number that may be 0 and what a selection returned. */
__noinline int note_end_of(__u32 number, __u32 selected)
{
	struct rpa_tally *tally;
	struct map_key key;

	if (!number)
		return 0;
	tally = tally_of(number, &key);
	if (!tally)
		return 0;
	note_end(tally, &key, is_lost(selected) ? RPA_NO_SLOT : selected);
	return 0;
}

/*
 * The ranks of an exporter's row are kept with its tally, which is in the cache
 * already, for as long as neither the program's generation nor the version
 * of the rows changes: the agent makes that odd before it writes rows, and even after
 * it. While it is odd nothing is kept, so that an agent that is killed amid its writing
 * leaves no exporter with two rows. The mark of both is in the same word, which CPUs
 * that share the tally may write at the same time, and of the exporter too: the tally
 * may be another's by then. It comes round again after 2^23 writings of rows, and is
 * odd, as no empty word's is.
 */
static __always_inline __u64 mark_of(__u32 version, __u64 hash)
{
	/* An odd version and the even one after it have the same: under the odd one none is kept. */
	return (((__u64)constants.generation * 0x9e3779b1 + ((version + 1) >> 1) + (__u32)(hash >> 20)) << 1 |
		1) &
	       0xffffff;
}

/* The ranks of the exporter's row, kept with its tally from here on if it has one. Without a
 * row, which there always is: RPA_NO_SLOT in each. */
__noinline __u64 read_ranks(__u64 high, __u64 low, __u64 hash, __u32 number)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	struct rpa_tally *tally;
	struct map_key key;
	const __u64 *row;
	__u32 version;
	__u64 ranks;

	if (!pool)
		return ~0ULL;
	/* Read before the row: what is kept under a version is no older than that. */
	version = READ_ONCE(pool->version);
	key.index = row_index(high, low, hash);
	row = bpf_map_lookup_elem(&rows, key_at(&key));
	if (!row)
		return ~0ULL;
	ranks = READ_ONCE(*row) & ((1ULL << RPA_SYN_SHIFT) - 1);
	if (!number || version & 1)
		return ranks;
	tally = tally_of(number, &key);
	if (tally)
		WRITE_ONCE(tally->ranks, ranks | mark_of(version, hash) << RPA_SYN_SHIFT);
	return ranks;
}

#endif
