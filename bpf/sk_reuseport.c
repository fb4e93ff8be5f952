// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Selects the socket of a reuseport group by the exporter's source address:
 *
 *   source address -> keyed hash -> row of ranked slots -> slot -> socket
 *
 * Each group of a pool runs this program with its own sockets and counters;
 * the table and the slots' states are the pool's. So UDP and TCP agree on every
 * exporter, failover included. Nothing here needs the agent to be running.
 *
 * What is attached to a group is dispatch(), which goes on to the program of the
 * generation in force: one store moves a whole pool to another table.
 *
 * A run ends in exactly one counted outcome: selected or failed_over (the
 * collector gets it), held, no_collector or bad_packet (dropped: UDP answers
 * with ICMP port unreachable, TCP with RST). SK_PASS without a selection, upon
 * which the kernel scatters over all members, is returned in one case: see
 * dispatch().
 *
 * TCP groups have the same two programs a second time, as ones that the kernel
 * asks also where the connections of a closing listener are to go. They take
 * Linux 5.14; without it such connections are reset.
 */
#include "probe.bpf.h"
#include "session.bpf.h"
#include "sighting.bpf.h"

static __always_inline int go_on(struct sk_reuseport_md *ctx)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);

	/* Constant indices: the kernel makes direct jumps of them. */
	if (pool && READ_ONCE(pool->generation) & 1)
		bpf_tail_call_static(ctx, &programs, 1);
	else
		bpf_tail_call_static(ctx, &programs, 0);
	return SK_PASS;
}

/*
 * What is attached. A pool that was unloaded has no programs any more, and a
 * group whose sockets nobody could reach to detach this goes back to the
 * kernel's own choice: then alone it passes on without a selection.
 */
SEC("sk_reuseport")
int dispatch(struct sk_reuseport_md *ctx)
{
	return go_on(ctx);
}

SEC("sk_reuseport/migrate")
int dispatch_or_migrate(struct sk_reuseport_md *ctx)
{
	return go_on(ctx);
}

/* A datagram of an exporter that select_tracked() did not find (is_found: 0), or whose
 * ranks are not kept. */
__noinline int select_slowly(struct sk_reuseport_md *ctx, __u32 is_found)
{
	__u32 number, selected;
	struct source source;
	struct map_key key;

	if (!read_source(ctx, &source))
		return drop(ctx, BAD_PACKET);
	if (is_found)
		number = count_run(source.high, source.low, source.hash, ctx->len);
	else
		number = count_first_run(source.high, source.low, source.hash, ctx->len);
	/* Nothing can be kept for it: most runs need no more than the owner. */
	if (!number) {
		__u32 owner = owner_of(row_index(source.high, source.low, source.hash), &key);

		if (deliver(ctx, owner, 1) == DELIVERED)
			return SK_PASS;
	}
	selected = deliver_ranked(ctx, read_ranks(source.high, source.low, source.hash, number), source.high,
				  source.low);
	note_end_of(number, selected);
	return finish(ctx, selected);
}

/* A datagram of a tracked exporter whose owner isn't usable. ranks: the others. */
__noinline int select_past_owner(struct sk_reuseport_md *ctx, __u64 ranks, __u32 number, int attempt)
{
	__u32 selected = LOST_HELD;
	struct source source;

	if (attempt != HOLD) {
		if (!read_source(ctx, &source))
			return drop(ctx, BAD_PACKET);
		selected = fail_over(ctx, ranks, source.high, source.low);
	}
	note_end_of(number, selected);
	return finish(ctx, selected);
}

/* The way of nearly all datagrams: what is known of the exporter is kept with its tally. */
static __always_inline int select_tracked(struct sk_reuseport_md *ctx, const struct source *source)
{
	const struct rpa_settings *pool;
	struct rpa_tally *tally;
	struct map_key key;
	__u64 word, ranks;
	int attempt;

	word = find_word(source->hash, &key);
	if (!(__u32)word)
		return select_slowly(ctx, 0);
	tally = tally_of(word, &key);
	if (!tally)
		return select_slowly(ctx, 0);
	if (!is_of(tally, word, source->high, source->low))
		return select_slowly(ctx, 0);
	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return drop(ctx, NO_COLLECTOR);
	ranks = READ_ONCE(tally->ranks);
	if (ranks >> RPA_SYN_SHIFT != mark_of(READ_ONCE(pool->version), source->hash))
		return select_slowly(ctx, 1);
	count_tally(tally, ctx->len);
	attempt = deliver(ctx, ranks & RPA_NO_SLOT, 1);
	if (attempt != DELIVERED)
		return select_past_owner(ctx, (ranks & ((1ULL << RPA_SYN_SHIFT) - 1)) >> RPA_RANK_BITS,
					 number_of(&key), attempt);
	note_end(tally, &key, ranks & RPA_NO_SLOT);
	return SK_PASS;
}

/* A datagram whose row's owner isn't usable, and whose exporter isn't tracked. */
__noinline int select_by_row(struct sk_reuseport_md *ctx, __u32 index)
{
	struct source source;
	struct map_key key;
	const __u64 *row;

	if (!read_source(ctx, &source))
		return drop(ctx, BAD_PACKET);
	key.index = index;
	row = bpf_map_lookup_elem(&rows, key_at(&key));
	if (!row)
		return drop(ctx, NO_COLLECTOR);
	return finish(ctx, deliver_ranked(ctx, READ_ONCE(*row), source.high, source.low));
}

static __always_inline int select_untracked(struct sk_reuseport_md *ctx, const struct source *source)
{
	__u32 index = row_index(source->high, source->low, source->hash);
	struct map_key key;

	if (deliver(ctx, owner_of(index, &key), 1) == DELIVERED)
		return SK_PASS;
	return select_by_row(ctx, index);
}

/* Delivers to the collector whose turn the row is, if it is there: its slot, or
 * LOST_NO_COLLECTOR. A vacant slot holds nothing up, for no exporter belongs to it. */
__noinline int take_turn(struct sk_reuseport_md *ctx, __u32 index, __u32 is_first)
{
	struct map_key key;
	__u32 slot = owner_of(index, &key);

	return deliver(ctx, slot, is_first) == DELIVERED ? slot : LOST_NO_COLLECTOR;
}

static __always_inline __u32 next_turn(void)
{
	__u32 *next = bpf_map_lookup_elem(&turns, ONLY), turn;

	if (!next)
		return 0;
	turn = *next;
	*next = turn + 1 < constants.table_size ? turn + 1 : 0;
	return turn;
}

/* Takes 8 turns: the next ones, or those of the rows from the index on. */
__noinline int take_turns(struct sk_reuseport_md *ctx, __u32 index, __u32 is_first)
{
#pragma unroll
	for (__u32 step = 0; step < 8; step++) {
		__u32 turn = constants.selection == RPA_BY_TURN ? next_turn() : index + step, slot;

		if (turn >= constants.table_size)
			turn -= constants.table_size;
		slot = take_turn(ctx, turn, is_first && step == 0);
		if (!is_lost(slot))
			return slot;
	}
	return LOST_NO_COLLECTOR;
}

/* Delivers to any collector that is there: its slot, or LOST_NO_COLLECTOR. */
__noinline int deliver_to_any(struct sk_reuseport_md *ctx)
{
	__u32 index = (ctx->hash * constants.table_size) >> 32, slot;

#pragma unroll
	for (__u32 step = 0; step < 64; step += 8) {
		slot = take_turns(ctx, index, step == 0);
		if (!is_lost(slot))
			return slot;
		index += 8;
		if (index >= constants.table_size)
			index -= constants.table_size;
	}
	return deliver_beyond_ranks(ctx, index);
}

/* For collectors that need no affinity. */
static __always_inline int select_any_for_datagram(struct sk_reuseport_md *ctx)
{
	__u32 number = 0, selected;
	struct source source;

	if (constants.near_mask && read_source(ctx, &source))
		number = count_run(source.high, source.low, source.hash, ctx->len);
	selected = deliver_to_any(ctx);
	if (constants.near_mask)
		note_end_of(number, selected);
	return finish(ctx, selected);
}

/* Delivers to the exporter's collector: as fail_over(). The row's SYN is counted before
 * its ranks are read, see RPA_SYN_SHIFT. */
static __always_inline __u32 deliver_stream(struct sk_reuseport_md *ctx, __u64 high, __u64 low, __u64 hash)
{
	struct map_key key;
	__u64 *row;

	key.index = row_index(high, low, hash);
	row = bpf_map_lookup_elem(&rows, key_at(&key));
	if (!row)
		return LOST_NO_COLLECTOR;
	__sync_fetch_and_add(row, 1ULL << RPA_SYN_SHIFT);
	return deliver_ranked(ctx, READ_ONCE(*row), high, low);
}

/* A SYN, or a connection that migrates. Whose a session is must be known also where no
 * affinity is needed: a drain waits for its end. */
__noinline int select_for_stream(struct sk_reuseport_md *ctx, __u64 high, __u64 low, __u64 hash, __u32 port)
{
	__u32 number = 0, selected;

	if (constants.near_mask)
		number = count_run(high, low, hash, ctx->len);
	if (constants.selection == RPA_BY_EXPORTER)
		selected = deliver_stream(ctx, high, low, hash);
	else
		selected = deliver_to_any(ctx);
	if (constants.near_mask)
		note_end_of(number, selected);
	if (!is_lost(selected))
		note_session(high, low, port, selected);
	return finish(ctx, selected);
}

/* A datagram or a SYN. */
static __always_inline int select_first(struct sk_reuseport_md *ctx)
{
	struct source source;
	__u32 port = 0;

	if (is_probe(ctx))
		return drop(ctx, PROBE);
	if (constants.is_stream) {
		if (read_peer(ctx, &source, &port))
			return select_for_stream(ctx, source.high, source.low, source.hash, port);
		if (constants.selection == RPA_BY_EXPORTER)
			return drop(ctx, BAD_PACKET);
		return finish(ctx, deliver_to_any(ctx));
	}
	if (constants.selection != RPA_BY_EXPORTER)
		return select_any_for_datagram(ctx);
	if (!read_source(ctx, &source))
		return drop(ctx, BAD_PACKET);
	return constants.near_mask ? select_tracked(ctx, &source) : select_untracked(ctx, &source);
}

SEC("sk_reuseport")
int select_collector(struct sk_reuseport_md *ctx)
{
	return select_first(ctx);
}

/* The same, and where a connection goes whose listener closes before it was
 * accepted: to its exporter's collector. */
SEC("sk_reuseport/migrate")
int select_or_migrate(struct sk_reuseport_md *ctx)
{
	struct bpf_sock *connection = ctx->migrating_sk;
	struct source source;
	__u32 port;

	if (!connection)
		return select_first(ctx);
	read_migrating(connection, &source, &port);
	return select_for_stream(ctx, source.high, source.low, source.hash, port);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
