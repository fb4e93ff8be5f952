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

static __always_inline __u64 *place_of(__u64 hash, __u32 probe, struct map_key *key)
{
	if (probe < RPA_SIGHTING_PROBES)
		key->index = ((__u32)hash + probe) & constants.near_mask;
	else
		key->index = constants.near_mask + 1 +
			     (((__u32)(hash >> 32) + probe - RPA_SIGHTING_PROBES) & constants.far_mask);
	return bpf_map_lookup_elem(&places, key_at(key));
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
	WRITE_ONCE(sighting->epoch, sighting->epoch + 1);
	sighting->high = high;
	sighting->low = low;
	sighting->first_seen = now;
	sighting->last_seen = now;
	sighting->slot = RPA_NO_SLOT;
	sighting->told_slot = RPA_NOT_NOTIFIED;
}

/*
 * The entry was taken and may have to be filled still: the exporter's, if nobody was
 * faster. Its index; or NO_PLACE, for it is another's.
 */
__noinline int fill(__u32 index, __u64 high, __u64 low)
{
	__u32 now = sighting_tick();
	struct rpa_admission *gate;
	struct rpa_sighting *sighting;
	struct map_key key;
	int result = NO_PLACE;

	gate = bpf_map_lookup_elem(&admission, ONLY);
	if (!gate)
		return NO_PLACE;
	key.index = index;
	sighting = bpf_map_lookup_elem(&sightings, key_at(&key));
	if (!sighting)
		return NO_PLACE;
	bpf_spin_lock(&gate->lock);
	if (!sighting->epoch) {
		settle(sighting, high, low, now);
		/* Told at once: it is "told" from longest ago on. */
		sighting->told = 0;
	}
	if (sighting->low == low && sighting->high == high)
		result = index;
	bpf_spin_unlock(&gate->lock);
	return result;
}

/*
 * The free place becomes the exporter's, if there may be one more. Which entry is the
 * next one is known with the lock alone, and an entry can't be looked up with it: so
 * the entry is taken first, then filled. Who comes between the two fills it as well:
 * mostly another run of the same exporter's, on another CPU.
 */
static __always_inline int take(__u64 *place, struct rpa_admission *gate, __u64 high, __u64 low, __u64 hash)
{
	int result = TAKEN_MEANWHILE;
	__u32 index;

	bpf_spin_lock(&gate->lock);
	index = gate->used;
	if (!*place) {
		result = NO_PLACE;
		if (index < constants.sighting_limit) {
			gate->used = index + 1;
			result = index;
			WRITE_ONCE(*place, word_of(index, 1, hash));
		}
	}
	bpf_spin_unlock(&gate->lock);
	if (result >= 0 && fill(index, high, low) < 0)
		result = TAKEN_MEANWHILE;
	return result;
}

static __always_inline bool is_silent(const struct rpa_sighting *sighting, __u32 now, __u32 least)
{
	/* Signed: another CPU may have seen it since. */
	return sighting->epoch && (__s32)(now - sighting->last_seen) >= (__s32)least;
}

/*
 * The place of an exporter that was silent for long becomes this one's. What it has
 * counted stays in the tallies under the epoch before. The agent is told of the
 * newcomer only if it sends for longer than an interval: in a flood of addresses
 * that send once each, nobody is to be told of them.
 */
static __always_inline int take_over(__u64 *place, struct rpa_admission *gate, __u32 least, __u64 high,
				     __u64 low, __u64 hash)
{
	__u64 word = READ_ONCE(*place);
	__u32 now = sighting_tick(), index = index_in(word);
	struct rpa_sighting *sighting;
	int result = TAKEN_MEANWHILE;
	struct map_key key;

	key.index = index;
	sighting = bpf_map_lookup_elem(&sightings, key_at(&key));
	if (!sighting)
		return NO_PLACE;
	bpf_spin_lock(&gate->lock);
	if (*place == word && is_silent(sighting, now, least)) {
		settle(sighting, high, low, now);
		sighting->told = now;
		gate->evicted++;
		result = index;
		/* Last: who sees it finds the exporter. */
		WRITE_ONCE(*place, word_of(index, sighting->epoch, hash));
	}
	bpf_spin_unlock(&gate->lock);
	return result;
}

/* The entry's index if it is the exporter's, else NO_PLACE. */
__noinline int identify(__u32 index, __u64 high, __u64 low)
{
	const struct rpa_sighting *sighting;
	struct map_key key;

	key.index = index;
	sighting = bpf_map_lookup_elem(&sightings, key_at(&key));
	if (!sighting)
		return NO_PLACE;
	if (!READ_ONCE(sighting->epoch))
		return fill(index, high, low);
	return sighting->low == low && sighting->high == high ? (int)index : NO_PLACE;
}

/* Of the exporters in reach the one that was silent for longest, and for at least so
 * many ticks: its probe, or -1. Who finds one before a free place takes none behind it,
 * where each of the newcomer's runs would have to come here. */
__noinline int find_silent(__u64 hash, __u32 least)
{
	__u32 now = sighting_tick();
	struct map_key key;
	int found = -1;

#pragma unroll
	for (__u32 probe = 0; probe < 2 * RPA_SIGHTING_PROBES; probe++) {
		const __u64 *place = place_of(hash, probe, &key);
		const struct rpa_sighting *sighting;

		if (!place)
			return -1;
		key.index = index_in(READ_ONCE(*place));
		sighting = bpf_map_lookup_elem(&sightings, key_at(&key));
		if (!sighting) {
			if (found >= 0)
				break;
		} else if (is_silent(sighting, now, least)) {
			least = now - sighting->last_seen;
			found = probe;
		}
	}
	return found;
}

/* The free place at that probe becomes the exporter's, if there may be one more: its
 * index, NO_PLACE or TAKEN_MEANWHILE. */
__noinline int take_free(__u64 high, __u64 low, __u64 hash, __u32 probe)
{
	struct rpa_admission *gate;
	struct map_key key;
	__u64 *place;

	gate = bpf_map_lookup_elem(&admission, ONLY);
	if (!gate)
		return NO_PLACE;
	if (READ_ONCE(gate->used) >= constants.sighting_limit)
		return NO_PLACE;
	place = place_of(hash, probe, &key);
	if (!place)
		return NO_PLACE;
	return take(place, gate, high, low, hash);
}

/* The place at that probe, of an exporter that is silent for so many ticks, becomes the
 * exporter's: as take_free(). */
__noinline int take_silent(__u64 high, __u64 low, __u64 hash, __u32 probe, __u32 least)
{
	struct rpa_admission *gate;
	struct map_key key;
	__u64 *place;

	gate = bpf_map_lookup_elem(&admission, ONLY);
	if (!gate)
		return NO_PLACE;
	place = place_of(hash, probe, &key);
	if (!place)
		return NO_PLACE;
	return take_over(place, gate, least, high, low, hash);
}

/* Gives the exporter a place: the free one at that probe, if there may be one more, or
 * that of a silent one. A search among those takes longer than all the rest of a run, and
 * while there is none it would be made for each newcomer's: so few in vain are enough. */
__noinline int settle_in(__u64 high, __u64 low, __u64 hash, __u32 free)
{
	const struct rpa_settings *pool;
	struct rpa_untracked *own;
	__u32 least;
	__u64 now;
	int probe;

	if (free < 2 * RPA_SIGHTING_PROBES) {
		int taken = take_free(high, low, hash, free);

		if (taken != NO_PLACE)
			return taken;
	}
	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return NO_PLACE;
	least = READ_ONCE(pool->sampling);
	own = bpf_map_lookup_elem(&untracked, ONLY);
	if (!own)
		return NO_PLACE;
	now = bpf_jiffies64() >> 2;
	if (own->searched != now) {
		own->searched = now;
		own->fruitless = 0;
	}
	if (own->fruitless >= RPA_FRUITLESS_SEARCHES)
		return NO_PLACE;
	probe = find_silent(hash, least);
	if (probe < 0) {
		own->fruitless++;
		return NO_PLACE;
	}
	return take_silent(high, low, hash, probe, least);
}

/*
 * The index of the exporter's sighting, also if it is to have one from now on;
 * NO_PLACE: there is none for it. Once the table is full only places of exporters that
 * were silent for long go to others. Then a free place ends no search any more, for it
 * stays free.
 */
__noinline int admit(__u64 high, __u64 low, __u64 hash)
{
	const struct rpa_admission *gate = bpf_map_lookup_elem(&admission, ONLY);
	__u32 free = 2 * RPA_SIGHTING_PROBES;
	struct map_key key;
	bool is_full;

	if (!gate)
		return NO_PLACE;
	is_full = READ_ONCE(gate->used) >= constants.sighting_limit;
#pragma unroll
	for (__u32 probe = 0; probe < 2 * RPA_SIGHTING_PROBES; probe++) {
		const __u64 *place = place_of(hash, probe, &key);
		__u64 word;

		if (!place)
			return NO_PLACE;
		word = READ_ONCE(*place);
		if (!word) {
			free = probe;
			if (!is_full)
				break;
		} else if (may_be_of(word, hash)) {
			int found = identify(index_in(word), high, low);

			if (found != NO_PLACE)
				return found;
		}
	}
	return settle_in(high, low, hash, free);
}

#endif
