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
#include "session.bpf.h"
#include "slot.bpf.h"

/* Delivers to the collector whose turn the row is, if it is there: its slot, or
 * RPA_NO_SLOT. A vacant slot holds nothing up, for no exporter belongs to it. */
__attribute__((noinline)) int take_turn(struct sk_reuseport_md *ctx, __u32 index, __u32 is_first)
{
	struct rpa_traffic *count = NULL;
	__u32 slot = owner_of(index);

	if (try_slot(ctx, slot, &count) != DELIVERED)
		return RPA_NO_SLOT;
	count_delivery(ctx, count, is_first);
	return slot;
}

static __always_inline __u32 next_turn(void)
{
	__u32 only = 0, turn;
	__u32 *next = bpf_map_lookup_elem(&turns, &only);

	if (!next)
		return 0;
	turn = *next;
	*next = turn + 1 < constants.table_size ? turn + 1 : 0;
	return turn;
}

/* Takes 8 turns: the next ones, or those of the rows from the index on. Unrolled
 * for the same reason as stand_in_among(). */
__attribute__((noinline)) int take_turns(struct sk_reuseport_md *ctx, __u32 index, __u32 is_first)
{
#pragma unroll
	for (__u32 step = 0; step < 8; step++) {
		__u32 turn = constants.selection == RPA_BY_TURN ? next_turn() : index + step, slot;

		if (turn >= constants.table_size)
			turn -= constants.table_size;
		slot = take_turn(ctx, turn, is_first && step == 0);
		if (slot != RPA_NO_SLOT)
			return slot;
	}
	return RPA_NO_SLOT;
}

/* Delivers to any collector that is there: its slot, or RPA_NO_SLOT. */
static __always_inline __u32 deliver_to_any(struct sk_reuseport_md *ctx)
{
	__u32 index = (ctx->hash * constants.table_size) >> 32, slot;

#pragma unroll
	for (__u32 step = 0; step < 64; step += 8) {
		slot = take_turns(ctx, index, step == 0);
		if (slot != RPA_NO_SLOT)
			return slot;
		index += 8;
		if (index >= constants.table_size)
			index -= constants.table_size;
	}
	return deliver_beyond_ranks(ctx, index);
}

/* The run's end: slot got it, or it is lost, for RPA_NO_SLOT. port: the peer's, for TCP. */
static __always_inline int finish(
	struct sk_reuseport_md *ctx, const struct source *source, __u32 port, const struct seen *seen, __u32 slot,
	enum loss loss)
{
	note_end(seen, slot);
	if (slot == RPA_NO_SLOT)
		return drop(ctx, loss);
	if (constants.is_stream)
		note_session(source, port, slot);
	return SK_PASS;
}

/* For collectors that need no affinity. Whose a session is must be known all the
 * same: a drain waits for its end. */
static __always_inline int select_any(struct sk_reuseport_md *ctx, struct bpf_sock *migrating)
{
	struct source source;
	__u32 port = 0;

	if (migrating)
		read_migrating(migrating, &source, &port);
	else if (constants.is_stream ? !read_peer(ctx, &source, &port)
				     : !constants.near_mask || !read_source(ctx, &source))
		return deliver_to_any(ctx) == RPA_NO_SLOT ? drop(ctx, NO_COLLECTOR) : SK_PASS;
	struct seen seen = note_run(&source, ctx->len);

	return finish(ctx, &source, port, &seen, deliver_to_any(ctx), NO_COLLECTOR);
}

/* Delivers to the exporter's collector, by the ranks of its row: its slot, or
 * RPA_NO_SLOT and what the run is lost by. */
static __always_inline __u32 deliver_ranked(
	struct sk_reuseport_md *ctx, const struct source *source, __u64 ranks, enum loss *loss)
{
	struct rpa_traffic *count = NULL;

	*loss = NO_COLLECTOR;
	for (int rank = 0; rank < RPA_RANKS; rank++) {
		__u32 slot = ranks & RPA_NO_SLOT;

		switch (try_slot(ctx, slot, &count)) {
		case DELIVERED:
			count_delivery(ctx, count, rank == 0);
			return slot;
		case HOLD:
			*loss = HELD;
			return RPA_NO_SLOT;
		case PASS_ON:
			ranks >>= RPA_RANK_BITS;
		}
	}
	/* By the row, not the address: several addresses may be one exporter. */
	return deliver_beyond_ranks(ctx, row_index(source));
}

/* A SYN, or a connection that migrates. */
static __always_inline int select_for_stream(struct sk_reuseport_md *ctx, const struct source *source, __u32 port)
{
	struct seen seen = note_run(source, ctx->len);
	enum loss loss = NO_COLLECTOR;
	__u32 slot = RPA_NO_SLOT;
	__u64 ranks;

	if (ranks_of_syn(source, &ranks))
		slot = deliver_ranked(ctx, source, ranks, &loss);
	return finish(ctx, source, port, &seen, slot, loss);
}

/* Delivers to the row's owner if it is there: its slot, or RPA_NO_SLOT, and the ranks
 * are to be asked. */
static __always_inline __u32 deliver_to_owner(struct sk_reuseport_md *ctx, const struct source *source)
{
	struct rpa_traffic *count = NULL;
	__u32 slot = owner_of(row_index(source));

	if (try_slot(ctx, slot, &count) != DELIVERED)
		return RPA_NO_SLOT;
	count_delivery(ctx, count, true);
	return slot;
}

static __always_inline int select_for_datagram(struct sk_reuseport_md *ctx, const struct source *source)
{
	struct seen seen = note_run(source, ctx->len);
	enum loss loss = NO_COLLECTOR;
	__u32 slot = RPA_NO_SLOT;
	__u64 ranks;

	/* With a tally the ranks are kept. */
	if (!seen.tally) {
		slot = deliver_to_owner(ctx, source);
		if (slot != RPA_NO_SLOT)
			return finish(ctx, source, 0, &seen, slot, loss);
	}
	if (ranks_of(&seen, source, &ranks))
		slot = deliver_ranked(ctx, source, ranks, &loss);
	return finish(ctx, source, 0, &seen, slot, loss);
}

/* A datagram or a SYN. */
static __always_inline int select_first(struct sk_reuseport_md *ctx)
{
	struct source source;
	__u32 port = 0;

	if (is_probe(ctx))
		return drop(ctx, PROBE);
	if (constants.selection != RPA_BY_EXPORTER)
		return select_any(ctx, NULL);
	if (constants.is_stream)
		return read_peer(ctx, &source, &port) ? select_for_stream(ctx, &source, port) : drop(ctx, BAD_PACKET);
	return read_source(ctx, &source) ? select_for_datagram(ctx, &source) : drop(ctx, BAD_PACKET);
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
	if (constants.selection != RPA_BY_EXPORTER)
		return select_any(ctx, connection);
	read_migrating(connection, &source, &port);
	return select_for_stream(ctx, &source, port);
}

static __always_inline int go_on(struct sk_reuseport_md *ctx)
{
	__u32 only = 0;
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);

	/* Constant indices: the kernel makes direct jumps of them. */
	if (pool && *(const volatile __u64 *)&pool->generation & 1)
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
