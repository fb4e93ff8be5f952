// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What exporters send: counted for each, on each CPU, with the ranks that were read for it. */
#ifndef SIGHTING_BPF_H
#define SIGHTING_BPF_H

#include "admission.bpf.h"

/* A tally that a run works with. NULL: its exporter isn't tracked. */
struct seen {
	struct rpa_tally *tally;
	__u32 index; /* of its sighting */
};

static __always_inline void count_untracked(__u64 runs, __u64 bytes)
{
	__u32 only = 0;
	struct rpa_untracked *count = bpf_map_lookup_elem(&untracked, &only);

	if (count) {
		count->runs += runs;
		count->bytes += bytes;
	}
}

static __always_inline bool is_of(const struct rpa_tally *tally, const struct source *source)
{
	return tally->low == source->low && tally->high == source->high;
}

/* The entry becomes that of the sighting's present exporter. Once for each entry and
 * epoch: with the lock, for CPUs may share it. */
__attribute__((noinline)) int renew_tally(__u32 tally_index, __u32 index)
{
	__u32 only = 0;
	struct rpa_admission *gate = bpf_map_lookup_elem(&admission, &only);
	struct rpa_tally *tally = bpf_map_lookup_elem(&tallies, &tally_index);
	const struct rpa_sighting *sighting = bpf_map_lookup_elem(&sightings, &index);
	__u64 runs[2] = {}, bytes[2] = {};

	if (!gate || !tally || !sighting)
		return 0;
	bpf_spin_lock(&gate->lock);
	if (tally->epoch != sighting->epoch) {
#pragma unroll
		for (int protocol = 0; protocol < 2; protocol++) {
			runs[protocol] = tally->runs[protocol];
			bytes[protocol] = tally->bytes[protocol];
			/* Not to zero: another CPU may be adding to it. */
			__sync_fetch_and_add(&tally->runs[protocol], -runs[protocol]);
			__sync_fetch_and_add(&tally->bytes[protocol], -bytes[protocol]);
		}
		tally->high = sighting->high;
		tally->low = sighting->low;
		*(volatile __u64 *)&tally->ranks = 0;
		tally->slot = RPA_NO_SLOT;
		/* Last: who shares it sees the epoch, then the exporter. */
		*(volatile __u32 *)&tally->epoch = sighting->epoch;
	}
	bpf_spin_unlock(&gate->lock);
	count_untracked(runs[0] + runs[1], bytes[0] + bytes[1]);
	return 0;
}

/* Runs don't move between CPUs, and none interrupts another. */
static __always_inline __u32 tally_of(__u32 index)
{
	return (bpf_get_smp_processor_id() & constants.tally_mask) * constants.sighting_limit + index;
}

/* 1 + the index of the exporter's sighting, whose tally on this CPU is its own from here
 * on; 0: it isn't tracked. */
__attribute__((noinline)) __u32 find_or_admit(__u64 high, __u64 low, __u64 hash)
{
	int found = admit(high, low, hash);
	const struct rpa_sighting *sighting;
	const struct rpa_tally *tally;
	__u32 index, tally_index;

	if (found == TAKEN_MEANWHILE)
		found = admit(high, low, hash);
	if (found < 0)
		return 0;
	index = found;
	sighting = bpf_map_lookup_elem(&sightings, &index);
	tally_index = tally_of(index);
	tally = bpf_map_lookup_elem(&tallies, &tally_index);
	if (sighting && tally && tally->epoch != sighting->epoch)
		renew_tally(tally_index, index);
	return index + 1;
}

/* The first word that may be the exporter's, or 0. */
static __always_inline __u64 find_word(__u64 hash)
{
#pragma unroll
	for (__u32 probe = 0; probe < RPA_SIGHTING_PROBES + 4; probe++) {
		const __u64 *place = place_of(hash, probe);
		__u64 word;

		if (!place)
			return 0;
		word = *(const volatile __u64 *)place;
		if (!word || may_be_of(word, hash))
			return word;
	}
	return 0;
}

/* The exporter's tally on this CPU, or NULL. */
static __always_inline struct rpa_tally *find_tally(const struct source *source, __u32 *index)
{
	__u64 word = find_word(source->hash);
	__u32 number = (__u32)word, tally_index = tally_of(number - 1);
	struct rpa_tally *tally = number ? bpf_map_lookup_elem(&tallies, &tally_index) : NULL;

	*index = number - 1;
	if (tally && (__u16)tally->epoch == (__u16)(word >> RPA_EPOCH_SHIFT) && is_of(tally, source))
		return tally;
	number = find_or_admit(source->high, source->low, source->hash);
	*index = number - 1;
	tally_index = tally_of(number - 1);
	return number ? bpf_map_lookup_elem(&tallies, &tally_index) : NULL;
}

/* Counts a run of the source. */
static __always_inline struct seen note_run(const struct source *source, __u32 length)
{
	const __u32 protocol = constants.is_stream ? 1 : 0;
	struct seen seen = {};

	if (!constants.near_mask)
		return seen;
	seen.tally = find_tally(source, &seen.index);
	if (!seen.tally) {
		count_untracked(1, length);
		return seen;
	}
	if (constants.shares_tallies) {
		__sync_fetch_and_add(&seen.tally->runs[protocol], 1);
		__sync_fetch_and_add(&seen.tally->bytes[protocol], length);
	} else {
		seen.tally->runs[protocol]++;
		seen.tally->bytes[protocol] += length;
	}
	return seen;
}

/* Tells the agent, unless another CPU has just done so. */
static __always_inline void tell(struct rpa_sighting *sighting, struct rpa_admission *gate, __u32 now, __u32 interval)
{
	struct rpa_sighting_event event = {};
	bool is_due;

	bpf_spin_lock(&gate->lock);
	/* Signed: another CPU may have told it since our look at the clock. */
	is_due = !sighting->told || (__s32)(now - sighting->told) >= (__s32)interval;
	if (is_due) {
		event.high = sighting->high;
		event.low = sighting->low;
		event.seen = now;
		event.slot = sighting->slot;
		event.former_slot = sighting->told_slot;
		sighting->told = now;
		sighting->told_slot = sighting->slot;
	}
	bpf_spin_unlock(&gate->lock);
	if (is_due && bpf_ringbuf_output(&sighting_events, &event, sizeof(event), 0)) {
		__u32 only = 0;
		struct rpa_untracked *count = bpf_map_lookup_elem(&untracked, &only);

		if (count)
			count->events_lost++;
	}
}

/* Notes when the exporter was seen and who got its run, unless the entry is another's by now. */
__attribute__((noinline)) int look_after(__u32 index, __u32 epoch, __u32 slot)
{
	__u32 only = 0, now = sighting_tick(), interval;
	struct rpa_sighting *sighting = bpf_map_lookup_elem(&sightings, &index);
	struct rpa_admission *gate = bpf_map_lookup_elem(&admission, &only);
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);

	if (!sighting || !gate || !pool || sighting->epoch != epoch)
		return 0;
	/* Written only if they differ: the line is shared. */
	if (sighting->last_seen != now)
		sighting->last_seen = now;
	if (slot != RPA_NO_SLOT && sighting->slot != slot)
		sighting->slot = slot;
	interval = *(const volatile __u64 *)&pool->sampling >> 32;
	if (!sighting->told || (__s32)(now - sighting->told) >= (__s32)interval)
		tell(sighting, gate, now, interval);
	return 0;
}

/*
 * The run is over: slot got it, or RPA_NO_SLOT. The clock is read once in 64 jiffies
 * for each exporter and CPU, unless it has moved or each run is to be told: it and
 * the shared line cost more than all the rest.
 */
static __always_inline void note_end(const struct seen *seen, __u32 slot)
{
	__u32 only = 0;
	__u16 jiffy;
	const struct rpa_settings *pool;

	if (!constants.near_mask || !seen->tally)
		return;
	jiffy = bpf_jiffies64() >> 6;
	pool = bpf_map_lookup_elem(&settings, &only);
	if (seen->tally->jiffy == jiffy && pool && *(const volatile __u64 *)&pool->sampling >> 32 &&
	    (slot == RPA_NO_SLOT || constants.selection != RPA_BY_EXPORTER || seen->tally->slot == slot))
		return;
	seen->tally->jiffy = jiffy;
	if (slot != RPA_NO_SLOT)
		seen->tally->slot = slot;
	look_after(seen->index, seen->tally->epoch, slot);
}

/*
 * The ranked slots of the exporter's row. They are kept with its tally, which is in
 * the cache already, for as long as neither the program's generation nor the version
 * of the rows changes: the agent makes that odd before it writes rows, and even after
 * it. While it is odd nothing is kept, so that an agent that is killed amid its writing
 * leaves no exporter with two rows. The mark of both is in the same word, which CPUs
 * that share the tally may write at the same time, and of the exporter too: the tally
 * may be another's by then. It comes round again after 2^23 writings of rows, and is
 * odd, as no empty word's is.
 */
static __always_inline bool ranks_of(const struct seen *seen, const struct source *source, __u64 *ranks)
{
	__u32 only = 0, index, version;
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);
	__u64 *row, kept, mark;

	if (!pool)
		return false;
	/* Read before the row: what is kept under a version is no older than that. */
	version = *(const volatile __u32 *)&pool->version;
	/* An odd version and the even one after it have the same: under the odd one none is kept. */
	mark = (constants.generation * 0x9e3779b1 + ((version + 1) >> 1) + (__u32)(source->hash >> 20)) << 1 | 1;
	if (seen->tally) {
		kept = *(volatile __u64 *)&seen->tally->ranks;
		if (kept >> RPA_SYN_SHIFT == (mark & 0xffffff)) {
			*ranks = kept;
			return true;
		}
	}
	index = row_index(source);
	row = bpf_map_lookup_elem(&rows, &index);
	if (!row)
		return false;
	*ranks = *(volatile __u64 *)row;
	if (seen->tally && !(version & 1))
		*(volatile __u64 *)&seen->tally->ranks =
			(*ranks & ((1ULL << RPA_SYN_SHIFT) - 1)) | mark << RPA_SYN_SHIFT;
	return true;
}

#endif
