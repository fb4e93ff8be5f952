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

/* A global function: what follows is proven once for any word, not for each case of the count. */
__noinline __u64 leading_bits(__u64 word, __u32 count)
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

/*
 * The state of a binary search over the lengths that occur: the first length's index, the index after the last
 * one, in 16 bits each, and from RANGE_ROW_SHIFT on, the row that was found.
 */
#define RANGE_END_SHIFT 16
#define RANGE_ROW_SHIFT 32

/*
 * A step of the search. A global function: Linux 5.10 and 6.1 don't know that two ways through several steps lead
 * to the same state, and would follow each combination of them.
 */
__noinline __u64 halve_range(__u64 high, __u64 low, __u64 range)
{
	__u32 from = range & 0xffff, to = range >> RANGE_END_SHIFT & 0xffff, middle = (from + to) / 2;
	int row = find_prefix(high, low, middle);

	if (row < 0)
		return (range & ~(0xffffULL << RANGE_END_SHIFT)) | (__u64)middle << RANGE_END_SHIFT;
	range = (range & ~0xffffULL) | (middle + 1);
	if (row == RPA_NO_ROW)
		return range;
	return (__u32)range | (__u64)row << RANGE_ROW_SHIFT;
}

/* The row of the longest configured prefix of the address, or RPA_NO_ROW: see RPA_EXPORTER_PROBES. */
__noinline int find_configured_row(__u64 high, __u64 low)
{
	bool is_ipv4 = !high && low >> 32 == 0xffff;
	/* All three are read first: without CAP_PERFMON, an address may not depend on a branch. */
	__u64 ipv6 = constants.length_begin[0], ipv4 = constants.length_begin[1],
	      end = constants.length_begin[2];
	__u64 range = (is_ipv4 ? ipv4 | end << RANGE_END_SHIFT : ipv6 | ipv4 << RANGE_END_SHIFT) |
		      (__u64)RPA_NO_ROW << RANGE_ROW_SHIFT;

	/* 8 steps are enough for 129 lengths. Unrolled: see verifier.bpf.h. */
#pragma unroll
	for (int step = 0; step < 8; step++) {
		if ((range & 0xffff) >= (range >> RANGE_END_SHIFT & 0xffff))
			break;
		range = halve_range(high, low, range);
	}
	return range >> RANGE_ROW_SHIFT;
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
