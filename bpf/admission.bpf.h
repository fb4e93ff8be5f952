// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who is kept track of: places and sightings, and how exporters come to them. */
#ifndef ADMISSION_BPF_H
#define ADMISSION_BPF_H

#include "exporter.bpf.h"

/* What admit() says instead of a sighting's index. */
#define NO_PLACE (-1)
#define TAKEN_MEANWHILE (-2)

static __always_inline __u32 sighting_tick(void)
{
	return bpf_ktime_get_ns() >> RPA_SIGHTING_TICK_SHIFT;
}

static __always_inline __u32 place_of(__u64 hash, __u32 probe)
{
	if (probe < RPA_SIGHTING_PROBES)
		return ((__u32)hash + probe) & constants.near_mask;
	return constants.near_mask + 1 + (((__u32)(hash >> 32) + probe - RPA_SIGHTING_PROBES) & constants.place_mask);
}

static __always_inline __u64 word_of(__u32 index, __u32 epoch, __u64 hash)
{
	return (hash >> RPA_FINGERPRINT_SHIFT) << RPA_FINGERPRINT_SHIFT |
		(__u64)(__u16)epoch << RPA_EPOCH_SHIFT | (index + 1);
}

static __always_inline __u32 index_in(__u64 word)
{
	return (__u32)word - 1;
}

static __always_inline bool may_be_of(__u64 word, __u64 hash)
{
	return !((word ^ hash) >> RPA_FINGERPRINT_SHIFT);
}

/* The entry becomes the exporter's. With the lock of "admission". */
static __always_inline void settle(struct rpa_sighting *sighting, __u64 high, __u64 low, __u32 now)
{
	/* First, for what CPUs have counted under the epoch before isn't this one's. */
	*(volatile __u32 *)&sighting->epoch = sighting->epoch + 1;
	sighting->high = high;
	sighting->low = low;
	sighting->first_seen = now;
	sighting->last_seen = now;
	sighting->slot = RPA_NO_SLOT;
	sighting->told_slot = RPA_UNTOLD;
}

/*
 * The free place becomes the exporter's, if there may be one more. Which entry is the
 * next one is known with the lock alone, and an entry can't be looked up with it: so
 * the entry is taken first, then filled. Who comes between the two finds an exporter
 * that isn't its own, and must try again.
 */
static __always_inline int take(__u64 *place, struct rpa_admission *gate, __u64 high, __u64 low, __u64 hash)
{
	__u32 now = sighting_tick(), index;
	struct rpa_sighting *sighting;
	int result = TAKEN_MEANWHILE;

	bpf_spin_lock(&gate->lock);
	index = gate->used;
	if (!*place) {
		result = NO_PLACE;
		if (index < constants.sighting_limit) {
			gate->used = index + 1;
			result = index;
			*(volatile __u64 *)place = word_of(index, 1, hash);
		}
	}
	bpf_spin_unlock(&gate->lock);
	if (result < 0)
		return result;
	sighting = bpf_map_lookup_elem(&sightings, &index);
	if (!sighting)
		return NO_PLACE;
	bpf_spin_lock(&gate->lock);
	settle(sighting, high, low, now);
	/* Told at once: it is "told" from longest ago on. */
	sighting->told = 0;
	bpf_spin_unlock(&gate->lock);
	return result;
}

/* An exporter that may have to leave, and since when it is silent. */
struct candidate {
	__u64 *place;
	__u64 word;
	struct rpa_sighting *sighting;
};

/*
 * The place of an exporter that was silent for long becomes this one's. What it has
 * counted stays in the tallies under the epoch before. The agent is told of the
 * newcomer only if it sends for longer than an interval: in a flood of addresses
 * that send once each, nobody is to be told of them.
 */
static __always_inline int take_over(
	const struct candidate *silent, struct rpa_admission *gate, __u64 high, __u64 low, __u64 hash)
{
	__u32 now = sighting_tick();
	int result = TAKEN_MEANWHILE;

	bpf_spin_lock(&gate->lock);
	if (*silent->place == silent->word) {
		settle(silent->sighting, high, low, now);
		silent->sighting->told = now;
		gate->evicted++;
		result = index_in(silent->word);
		/* Last: who sees it finds the exporter. */
		*(volatile __u64 *)silent->place = word_of(result, silent->sighting->epoch, hash);
	}
	bpf_spin_unlock(&gate->lock);
	return result;
}

/*
 * The index of the exporter's sighting, also if it is to have one from now on;
 * NO_PLACE: there is none for it. Once the table is full only places of exporters that
 * were silent for long go to others, of those in reach the one that was silent for
 * longest. Then a free place ends no search any more, for it stays free; but who finds
 * a place before one takes none behind it, where each of its runs would have to come
 * here.
 */
__attribute__((noinline)) int admit(__u64 high, __u64 low, __u64 hash)
{
	struct candidate silent = {};
	__u32 only = 0, longest = 0, now = sighting_tick();
	bool is_full;
	struct rpa_admission *gate = bpf_map_lookup_elem(&admission, &only);
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);

	if (!gate || !pool)
		return NO_PLACE;
	longest = *(const volatile __u64 *)&pool->sampling;
	is_full = *(volatile __u32 *)&gate->used >= constants.sighting_limit;
#pragma unroll
	for (__u32 probe = 0; probe < 2 * RPA_SIGHTING_PROBES; probe++) {
		__u32 index = place_of(hash, probe), silence;
		__u64 *place = bpf_map_lookup_elem(&places, &index), word;
		struct rpa_sighting *sighting;

		if (!place)
			return NO_PLACE;
		word = *(volatile __u64 *)place;
		if (!word) {
			int result = is_full ? NO_PLACE : take(place, gate, high, low, hash);

			if (result != NO_PLACE)
				return result;
			is_full = true;
			if (silent.sighting)
				break;
			continue;
		}
		index = index_in(word);
		sighting = bpf_map_lookup_elem(&sightings, &index);
		if (!sighting)
			return NO_PLACE;
		if (may_be_of(word, hash)) {
			if (sighting->low == low && sighting->high == high)
				return index;
			/* It is being filled, maybe with this one. */
			if (!*(volatile __u32 *)&sighting->epoch)
				return TAKEN_MEANWHILE;
		}
		silence = now - sighting->last_seen;
		/* Signed: another CPU may have seen it since. */
		if ((__s32)silence >= (__s32)longest && sighting->epoch) {
			longest = silence;
			silent.place = place;
			silent.word = word;
			silent.sighting = sighting;
		}
	}
	return silent.sighting ? take_over(&silent, gate, high, low, hash) : NO_PLACE;
}

#endif
