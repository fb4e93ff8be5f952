// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who was seen: exporters, what each sent, and the ranks that were read for it. */
#ifndef SIGHTING_BPF_H
#define SIGHTING_BPF_H

#include "exporter.bpf.h"

/* A sighting that a run works with. NULL: its exporter isn't tracked. */
struct seen {
	struct rpa_sighting *sighting;
	struct rpa_tally *tally;
	__u32 place;
};

/* What admit() says instead of a place. */
#define NO_PLACE (-1)
#define TAKEN_MEANWHILE (-2)

static __always_inline __u32 sighting_tick(void)
{
	return bpf_ktime_get_ns() >> RPA_SIGHTING_TICK_SHIFT;
}

static __always_inline __u32 place_of(__u64 hash, __u32 probe)
{
	__u32 start = probe < RPA_SIGHTING_PROBES ? (__u32)hash : (__u32)(hash >> 32);

	return (start + probe % RPA_SIGHTING_PROBES) & constants.sighting_mask;
}

static __always_inline bool is_of(const struct rpa_sighting *sighting, __u64 high, __u64 low)
{
	return sighting->low == low && sighting->high == high;
}

/* Gives the place to the exporter. With the lock of "admission". */
static __always_inline void settle(struct rpa_sighting *sighting, __u64 high, __u64 low, __u32 now)
{
	*(volatile __u64 *)&sighting->ranks = 0;
	sighting->high = high;
	sighting->low = low;
	sighting->first_seen = now;
	sighting->last_seen = now;
	sighting->slot = RPA_NO_SLOT;
	sighting->told_slot = RPA_UNTOLD;
}

/* The free place becomes the exporter's, if there may be one more. */
static __always_inline int take(
	struct rpa_sighting *sighting, struct rpa_admission *gate, __u32 place, __u64 high, __u64 low)
{
	__u32 now = sighting_tick();
	int result = place;

	bpf_spin_lock(&gate->lock);
	if (sighting->tally) {
		if (!is_of(sighting, high, low))
			result = TAKEN_MEANWHILE;
	} else if (gate->used >= constants.sighting_limit) {
		result = NO_PLACE;
	} else {
		settle(sighting, high, low, now);
		/* Told at once: it is "told" from longest ago on. */
		sighting->told = 0;
		gate->used++;
		/* Last, for from here on others find it. */
		*(volatile __u32 *)&sighting->tally = gate->used;
	}
	bpf_spin_unlock(&gate->lock);
	return result;
}

/*
 * The place of an exporter that was silent for long becomes this one's. What it has
 * counted stays in the tallies under the epoch before. The agent is told of the
 * newcomer only if it sends for longer than an interval: in a flood of addresses
 * that send once each, nobody is to be told of them.
 */
static __always_inline int take_over(
	struct rpa_sighting *sighting, struct rpa_admission *gate, __u32 place, __u32 epoch, __u64 high, __u64 low)
{
	__u32 now = sighting_tick();
	int result = TAKEN_MEANWHILE;

	bpf_spin_lock(&gate->lock);
	if (sighting->epoch == epoch) {
		*(volatile __u32 *)&sighting->epoch = epoch + 1;
		settle(sighting, high, low, now);
		sighting->told = now;
		gate->evicted++;
		result = place;
	}
	bpf_spin_unlock(&gate->lock);
	return result;
}

/*
 * The exporter's place, also if it is to have one from now on; NO_PLACE: there is
 * none for it. Once the table is full only places of exporters that were silent
 * for long go to others, of those in reach the one that was silent for longest.
 * Then a free place ends no search any more, for it stays free; but who finds a place
 * before one takes none behind it, where each of its runs would have to come here.
 */
__attribute__((noinline)) int admit(__u64 high, __u64 low, __u64 hash)
{
	struct rpa_sighting *oldest = NULL;
	__u32 only = 0, longest = 0, oldest_place = 0, oldest_epoch = 0, now = sighting_tick();
	bool is_full;
	struct rpa_admission *gate = bpf_map_lookup_elem(&admission, &only);
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);

	if (!gate || !pool)
		return NO_PLACE;
	longest = *(const volatile __u64 *)&pool->sampling;
	is_full = *(volatile __u32 *)&gate->used >= constants.sighting_limit;
#pragma unroll
	for (__u32 probe = 0; probe < 2 * RPA_SIGHTING_PROBES; probe++) {
		__u32 place = place_of(hash, probe);
		struct rpa_sighting *sighting = bpf_map_lookup_elem(&sightings, &place);
		__u32 epoch, silence;

		if (!sighting)
			return NO_PLACE;
		if (!*(volatile __u32 *)&sighting->tally) {
			int result = is_full ? NO_PLACE : take(sighting, gate, place, high, low);

			if (result != NO_PLACE)
				return result;
			is_full = true;
			if (oldest)
				break;
			continue;
		}
		epoch = *(volatile __u32 *)&sighting->epoch;
		if (is_of(sighting, high, low))
			return place;
		silence = now - sighting->last_seen;
		/* Signed: another CPU may have seen it since. */
		if ((__s32)silence >= (__s32)longest) {
			longest = silence;
			oldest = sighting;
			oldest_place = place;
			oldest_epoch = epoch;
		}
	}
	return oldest ? take_over(oldest, gate, oldest_place, oldest_epoch, high, low) : NO_PLACE;
}

/* The exporter's sighting, or NULL. */
static __always_inline struct rpa_sighting *find_sighting(const struct source *source, __u32 *place)
{
	struct rpa_sighting *sighting;
	int found;

	/* Nearly all are here; the rest is a call. */
#pragma unroll
	for (__u32 probe = 0; probe < 3; probe++) {
		*place = place_of(source->hash, probe);
		sighting = bpf_map_lookup_elem(&sightings, place);
		if (!sighting)
			return NULL;
		if (!*(volatile __u32 *)&sighting->tally)
			break;
		if (is_of(sighting, source->high, source->low))
			return sighting;
	}
	found = admit(source->high, source->low, source->hash);
	if (found == TAKEN_MEANWHILE)
		found = admit(source->high, source->low, source->hash);
	if (found < 0)
		return NULL;
	*place = found;
	return bpf_map_lookup_elem(&sightings, place);
}

static __always_inline void count_untracked(__u64 runs, __u64 bytes)
{
	__u32 only = 0;
	struct rpa_untracked *count = bpf_map_lookup_elem(&untracked, &only);

	if (count) {
		count->runs += runs;
		count->bytes += bytes;
	}
}

/* The entry becomes that of the place's present exporter. Once for each entry and
 * epoch: with the lock, for CPUs may share it. */
__attribute__((noinline)) int renew_tally(__u32 index, __u32 epoch)
{
	__u32 only = 0;
	struct rpa_admission *gate = bpf_map_lookup_elem(&admission, &only);
	struct rpa_tally *tally = bpf_map_lookup_elem(&tallies, &index);
	__u64 runs[2] = {}, bytes[2] = {};

	if (!gate || !tally)
		return 0;
	bpf_spin_lock(&gate->lock);
	if (tally->epoch != epoch) {
#pragma unroll
		for (int protocol = 0; protocol < 2; protocol++) {
			runs[protocol] = tally->runs[protocol];
			bytes[protocol] = tally->bytes[protocol];
			/* Not to zero: another CPU may be adding to it. */
			__sync_fetch_and_add(&tally->runs[protocol], -runs[protocol]);
			__sync_fetch_and_add(&tally->bytes[protocol], -bytes[protocol]);
		}
		tally->epoch = epoch;
	}
	bpf_spin_unlock(&gate->lock);
	count_untracked(runs[0] + runs[1], bytes[0] + bytes[1]);
	return 0;
}

/* Counts a run of the source. */
static __always_inline struct seen note_run(const struct source *source, __u32 length)
{
	const __u32 protocol = constants.is_stream ? 1 : 0;
	struct seen seen = {};
	__u32 index;

	if (!constants.sighting_mask)
		return seen;
	seen.sighting = find_sighting(source, &seen.place);
	if (!seen.sighting) {
		count_untracked(1, length);
		return seen;
	}
	/* Runs don't move between CPUs, and none interrupts another. */
	index = (bpf_get_smp_processor_id() & constants.tally_mask) * constants.sighting_limit +
		seen.sighting->tally - 1;
	seen.tally = bpf_map_lookup_elem(&tallies, &index);
	if (!seen.tally) {
		seen.sighting = NULL;
		return seen;
	}
	if (seen.tally->epoch != seen.sighting->epoch)
		renew_tally(index, seen.sighting->epoch);
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

/* Notes when the exporter was seen and who got its run. */
__attribute__((noinline)) int look_after(__u32 place, __u32 slot)
{
	__u32 only = 0, now = sighting_tick(), interval;
	struct rpa_sighting *sighting = bpf_map_lookup_elem(&sightings, &place);
	struct rpa_admission *gate = bpf_map_lookup_elem(&admission, &only);
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);

	if (!sighting || !gate || !pool)
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
	__u32 only = 0, jiffy;
	const struct rpa_settings *pool;

	if (!constants.sighting_mask || !seen->sighting || !seen->tally)
		return;
	jiffy = bpf_jiffies64() >> 6;
	pool = bpf_map_lookup_elem(&settings, &only);
	if (seen->tally->jiffy == jiffy && pool && *(const volatile __u64 *)&pool->sampling >> 32 &&
	    (slot == RPA_NO_SLOT || constants.selection != RPA_BY_EXPORTER || seen->sighting->slot == slot))
		return;
	seen->tally->jiffy = jiffy;
	look_after(seen->place, slot);
}

/*
 * The ranked slots of the exporter's row. They are kept with its sighting, which is
 * in the cache already, for as long as neither the program's generation nor the
 * version of the rows changes: the agent makes that odd before it writes rows, and
 * even after it. While it is odd nothing is kept, so that an agent that is killed
 * amid its writing leaves no exporter with two rows. The mark of both is in the same
 * word, which CPUs may well write at the same time, and of the exporter too: the place
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
	if (seen->sighting) {
		kept = *(volatile __u64 *)&seen->sighting->ranks;
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
	if (seen->sighting && !(version & 1))
		*(volatile __u64 *)&seen->sighting->ranks =
			(*ranks & ((1ULL << RPA_SYN_SHIFT) - 1)) | mark << RPA_SYN_SHIFT;
	return true;
}

#endif
