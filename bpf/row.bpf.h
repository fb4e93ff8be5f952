// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The exporter's row: that of its longest configured prefix, else that of its bucket.
 *
 * A row is one word: four ranked slots and a count of SYNs. See RPA_SYN_SHIFT for the
 * protocol between a SYN and the agent that moves a row.
 */
#ifndef ROW_BPF_H
#define ROW_BPF_H

#include "exporter.bpf.h"

/* The ranks in a row's word, without its count of SYNs. */
#define RANKS_MASK ((1ULL << RPA_SYN_SHIFT) - 1)

static __always_inline __u64 leading_bits(__u64 word, __u32 count)
{
	return count >= 64 ? word : count ? word & ~0ULL << (64 - count) : 0;
}

/*
 * Looks up the address's first bits, as many as the length at length_index says: the
 * configured row, RPA_NO_ROW at a marker, or -1.
 *
 * A global function, as is find_configured_row(), so that the verifier proves it for an
 * unknown index. Without CAP_PERFMON, the verifier refuses to add several known indices to
 * one pointer.
 */
__noinline int find_prefix(__u64 high, __u64 low, __u32 length_index)
{
	struct map_key key;
	__u32 length;
	__u64 hash;

	if (length_index >= RPA_MAX_LENGTHS)
		return -1;
	length = constants.lengths[length_index];
	high = leading_bits(high, length);
	low = length > 64 ? leading_bits(low, length - 64) : 0;
	hash = finalize(multilinear(high, low) + constants.hash_keys[5] * (128 - length));
#pragma unroll
	for (__u32 position = 0; position < RPA_EXPORTER_PROBES; position++) {
		const struct rpa_exporter *entry;

		key.index = ((__u32)hash + position) & constants.exporter_mask;
		entry = bpf_map_lookup_elem(&exporters, key_at(&key));
		if (!entry || !entry->length_tag)
			return -1;
		if (entry->low == low && entry->high == high && entry->length_tag == length + 1)
			return entry->row;
	}
	return -1;
}

/* The row of the longest configured prefix of the address, or RPA_NO_ROW: a binary search
 * over the lengths that occur, see RPA_EXPORTER_PROBES. */
__noinline int find_configured_row(__u64 high, __u64 low)
{
	bool is_ipv4 = !high && low >> 32 == 0xffff;
	/* All three are read first: without CAP_PERFMON, an address may not depend on a branch. */
	__u32 ipv6 = constants.length_begin[0], ipv4 = constants.length_begin[1],
	      end = constants.length_begin[2];
	__u32 from = is_ipv4 ? ipv4 : ipv6;
	__u32 to = is_ipv4 ? end : ipv4;
	int found = RPA_NO_ROW;

	/* 8 steps are enough for 129 lengths. Unrolled: see verifier.bpf.h. */
#pragma unroll
	for (int step = 0; step < 8 && from < to; step++) {
		__u32 middle = (from + to) / 2;
		int row = find_prefix(high, low, middle);

		if (row < 0) {
			to = middle;
			continue;
		}
		if (row != RPA_NO_ROW)
			found = row;
		from = middle + 1;
	}
	return found;
}

/* The index of the exporter's row: the configured one, else its bucket. */
static __always_inline __u32 row_index(__u64 high, __u64 low, __u64 hash)
{
	__u32 bucket = ((hash >> 32) * constants.table_size) >> 32;

	if (constants.exporter_mask) {
		__u32 row = find_configured_row(high, low);

		if (row != RPA_NO_ROW)
			return row;
	}
	return bucket;
}

/* The row's word, or NULL. */
static __always_inline __u64 *row_at(__u32 index, struct map_key *key)
{
	key->index = index;
	return bpf_map_lookup_elem(&rows, key_at(key));
}

/*
 * The row's owner: the slot of its first rank.
 *
 * "owners" may be behind "rows" while the version of the settings is odd: the agent is
 * writing rows, or was killed in the middle of it. The row itself is then read.
 */
static __always_inline __u32 read_owner(__u32 index, struct map_key *key)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	const __u64 *word;

	if (pool && !(READ_ONCE(pool->version) & 1)) {
		key->index = index / RPA_OWNERS_PER_WORD;
		word = bpf_map_lookup_elem(&owners, key_at(key));
		if (word) {
			__u32 owner = READ_ONCE(*word) >> index % RPA_OWNERS_PER_WORD * RPA_OWNER_BITS &
				      RPA_OWNER_IN_ROW;

			if (owner != RPA_OWNER_IN_ROW)
				return owner;
		}
	}
	word = row_at(index, key);
	return word ? READ_ONCE(*word) & RPA_NO_SLOT : RPA_NO_SLOT;
}

#endif
