// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The program of step_programs.c that selects and counts, in variants: each does one thing in
 * another way. Sources are IPv4, tracking is off.
 */
#include "../../bpf/slot.bpf.h"

static __always_inline int deliver_and_count(struct sk_reuseport_md *ctx, __u32 slot)
{
	return deliver_to_slot(ctx, slot, 1) == DELIVERED ? SK_PASS : SK_DROP;
}

static __always_inline __u32 owner_of_source(const struct source *source)
{
	struct map_key key;

	return read_owner(row_index(source->high, source->low, source->hash), &key);
}

static __always_inline bool find_row(struct sk_reuseport_md *ctx, __u32 *index)
{
	struct source source = {};

	if (!read_source(ctx, &source))
		return false;
	*index = row_index(source.high, source.low, source.hash);
	return true;
}

/* The unchanged program. */
SEC("sk_reuseport")
int as_it_is(struct sk_reuseport_md *ctx)
{
	struct source source = {};

	return read_source(ctx, &source) ? deliver_and_count(ctx, owner_of_source(&source)) : SK_DROP;
}

/* Reads the row's word of 8 bytes instead of the owner's byte. */
SEC("sk_reuseport")
int rows_alone(struct sk_reuseport_md *ctx)
{
	const __u64 *row;
	__u32 index;

	if (!find_row(ctx, &index))
		return SK_DROP;
	row = bpf_map_lookup_elem(&rows, &index);
	return row ? deliver_and_count(ctx, READ_ONCE(*row) & RPA_NO_SLOT) : SK_DROP;
}

/* The same condition as in read_owner(). */
static __always_inline bool is_being_written(void)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);

	return !pool || READ_ONCE(pool->version) & 1;
}

static __always_inline int deliver_to(struct sk_reuseport_md *ctx, const __u64 *word, __u32 index, __u32 bits)
{
	__u32 owner;

	if (!word)
		return SK_DROP;
	owner = READ_ONCE(*word) >> index % (64 / bits) * bits & ((1 << bits) - 1);
	return deliver_and_count(ctx, owner);
}

/* The owner in 2 bytes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} short_owners SEC(".maps");

SEC("sk_reuseport")
int owners_of_16_bits(struct sk_reuseport_md *ctx)
{
	__u32 index, place;

	if (!find_row(ctx, &index) || is_being_written())
		return SK_DROP;
	place = index / 4;
	return deliver_to(ctx, bpf_map_lookup_elem(&short_owners, &place), index, 16);
}

/* The owners in memory that the agent can't map: it would write them by system calls. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} unmapped_owners SEC(".maps");

SEC("sk_reuseport")
int owners_not_mmapable(struct sk_reuseport_md *ctx)
{
	__u32 index, place;

	if (!find_row(ctx, &index) || is_being_written())
		return SK_DROP;
	place = index / RPA_OWNERS_PER_WORD;
	return deliver_to(ctx, bpf_map_lookup_elem(&unmapped_owners, &place), index, RPA_OWNER_BITS);
}

/* The settings as global data, whose address is known when the program is loaded. */
volatile struct rpa_settings global_settings = {};

SEC("sk_reuseport")
int settings_as_global_data(struct sk_reuseport_md *ctx)
{
	__u32 index, place;

	if (!find_row(ctx, &index) || READ_ONCE(global_settings.version) & 1)
		return SK_DROP;
	place = index / RPA_OWNERS_PER_WORD;
	return deliver_to(ctx, bpf_map_lookup_elem(&owners, &place), index, RPA_OWNER_BITS);
}

/* One entry for all CPUs, with atomic additions. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct rpa_traffic);
} shared_traffic SEC(".maps");

/* The same as deliver_to_slot(), without its counters. */
static __always_inline bool is_delivered(struct sk_reuseport_md *ctx, __u32 *owner)
{
	const struct rpa_slot *slot;
	struct source source = {};

	if (!read_source(ctx, &source))
		return false;
	*owner = owner_of_source(&source);
	slot = bpf_map_lookup_elem(&slots, owner);
	return slot && !is_down(slot->registration_number, slot->down_since) &&
	       !bpf_sk_select_reuseport(ctx, &sockets, owner, 0);
}

SEC("sk_reuseport")
int shared_counts(struct sk_reuseport_md *ctx)
{
	struct rpa_traffic *count;
	__u32 slot;

	if (!is_delivered(ctx, &slot))
		return SK_DROP;
	count = bpf_map_lookup_elem(&shared_traffic, &slot);
	if (count) {
		__sync_fetch_and_add(&count->selected, 1);
		__sync_fetch_and_add(&count->bytes, ctx->len);
	}
	return SK_PASS;
}

/* A map for each counter. */
struct counts {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
};
struct counts runs SEC(".maps"), bytes SEC(".maps");

SEC("sk_reuseport")
int counts_apart(struct sk_reuseport_md *ctx)
{
	__u64 *count;
	__u32 slot;

	if (!is_delivered(ctx, &slot))
		return SK_DROP;
	count = bpf_map_lookup_elem(&runs, &slot);
	if (count)
		++*count;
	count = bpf_map_lookup_elem(&bytes, &slot);
	if (count)
		*count += ctx->len;
	return SK_PASS;
}

/* Reads the clock in each run, as an exact time of each exporter's last run would need. */
SEC("sk_reuseport")
int clock_in_each_run(struct sk_reuseport_md *ctx)
{
	struct source source = {};

	if (!read_source(ctx, &source) || deliver_to_slot(ctx, owner_of_source(&source), 1) != DELIVERED)
		return SK_DROP;
	/* Never 0: the compiler must keep the call, and the result stays the same. */
	return bpf_ktime_get_ns() ? SK_PASS : SK_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
