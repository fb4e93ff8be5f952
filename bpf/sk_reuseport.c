// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "probe.bpf.h"
#include "session.bpf.h"
#include "tracking.bpf.h"

/*
 * Selects the socket of a reuseport group by the exporter's source address:
 *
 *   source address -> keyed hash -> row of ranked slots -> slot -> socket
 *
 * Each group of a pool runs this program with its own sockets and counters. The table and the
 * states of the slots belong to the pool: UDP and TCP agree on every exporter, failover
 * included. The program needs no running agent.
 *
 * The life of a datagram:
 *
 *   1. The kernel runs dispatch(), which is attached to the group. It tail-calls
 *      select_collector() of the generation in force: one store moves a whole pool to another
 *      table.
 *   2. is_probe(): the agent's probe is answered, counted and dropped.
 *   3. read_source(): the source address and its hash. Without one: dropped as bad_packet.
 *   4. select_tracked(): nearly all datagrams end here. The exporter's counters on this CPU have
 *      the owner of its row. Its first datagram, and the first one after a change of the rows,
 *      takes select_uncached(), which gives the exporter an entry and reads the row.
 *      Without tracking: select_untracked() reads the row's owner.
 *   5. deliver_to_slot(): selects the owner's socket, or starts or checks the hold clock of a
 *      vacant slot. During the hold: dropped as held.
 *   6. fail_over(): after the hold, the next ranks, then a stand-in. Without one: dropped as
 *      no_collector.
 *   7. update_entry(): notes the receiver and notifies the agent of the exporter, once an interval.
 *
 * A SYN differs in step 4: select_for_connection() counts it in its row before it reads the
 * ranks, and records the session. A pool without affinity replaces step 4 by deliver_to_any().
 *
 * A run ends in exactly one counted outcome, probes excepted: selected or failed_over
 * (delivered), held, no_collector or bad_packet (dropped: the kernel answers UDP with ICMP port
 * unreachable, TCP with RST). SK_PASS without a selected socket makes the kernel choose a member
 * by its own hash: only dispatch() of an unloaded pool returns it.
 *
 * TCP groups use the same programs in a second form, which the kernel also asks where the
 * connections of a closing listener migrate to (sk_reuseport/migrate). This form needs
 * Linux 5.14; without it, such connections are reset.
 */

static __always_inline int call_generation_in_force(struct sk_reuseport_md *ctx)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);

	/* Constant indices: the kernel turns them into direct jumps. */
	if (pool && READ_ONCE(pool->generation) & 1)
		bpf_tail_call_static(ctx, &programs, 1);
	else
		bpf_tail_call_static(ctx, &programs, 0);
	/* The tail call failed: there is no program. */
	return SK_PASS;
}

/*
 * The program that is attached to a group. An unloaded pool has no selection programs any more.
 * A group whose sockets could not be reached to detach the dispatcher then falls back to the
 * kernel's own choice.
 */
SEC("sk_reuseport")
int dispatch(struct sk_reuseport_md *ctx)
{
	return call_generation_in_force(ctx);
}

SEC("sk_reuseport/migrate")
int dispatch_or_migrate(struct sk_reuseport_md *ctx)
{
	return call_generation_in_force(ctx);
}

/*
 * The slow path of select_tracked(): a datagram of an exporter without counters on this CPU (found is
 * negative), or without a cached owner. It reads the packet again: the verifier proves it once, and the fast
 * path keeps fewer variables alive.
 */
__noinline int select_uncached(struct sk_reuseport_md *ctx, int found)
{
	struct source source;
	struct map_key key;
	__u32 selected;
	__u64 ranks;

	if (!read_source(ctx, &source))
		return drop(ctx, DROP_BAD_PACKET);
	found = count_datagram(source.high, source.low, source.hash, found, ctx->len);
	/* The exporter has no counters to cache an owner in: most of its runs need only the owner. */
	if (found < 0) {
		__u32 owner = read_owner(row_index(source.high, source.low, source.hash), &key);

		if (deliver_to_slot(ctx, owner, 1) == DELIVERED)
			return SK_PASS;
	}
	ranks = read_ranks_and_cache_owner(source.high, source.low, source.hash, found);
	selected = deliver_by_ranks(ctx, ranks, source.high, source.low);
	record_datagram(source.hash, found, selected);
	return end_run(ctx, selected);
}

/* A datagram of a tracked exporter whose owner did not receive it. It has been counted. */
__noinline int select_from_ranks(struct sk_reuseport_md *ctx, enum delivery owner_result)
{
	__u32 selected = SELECTED_NONE_HELD;
	struct source source;
	struct map_key key;
	const __u64 *row;

	if (!read_source(ctx, &source))
		return drop(ctx, DROP_BAD_PACKET);
	if (owner_result != SLOT_HELD) {
		row = row_at(row_index(source.high, source.low, source.hash), &key);
		if (!row)
			return drop(ctx, DROP_NO_COLLECTOR);
		selected = deliver_by_ranks(ctx, READ_ONCE(*row), source.high, source.low);
	}
	record_datagram(source.hash, find_counters(source.hash), selected);
	return end_run(ctx, selected);
}

/* Updates the entry of the exporter whose datagram has just been delivered to the slot. */
__noinline int update_exporter(struct sk_reuseport_md *ctx, __u64 state)
{
	struct source source;
	int index;

	if (!read_source(ctx, &source))
		return SK_PASS;
	index = find_counters(source.hash);
	if (index >= 0 && !update_entry(index, epoch_of(state), state & RPA_STATE_OWNER,
					state >> RPA_STATE_TIME_SHIFT & STATE_TIME_MASK))
		release_counters(index, source.hash, epoch_of(state));
	return SK_PASS;
}

/* The path of nearly all datagrams: the exporter has counters with a cached owner. */
static __always_inline int select_tracked(struct sk_reuseport_md *ctx, const struct source *source)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	struct rpa_counter_bucket *bucket;
	struct rpa_cpu_counters *counters;
	enum delivery delivery;
	__u64 state, time;
	struct map_key key;

	if (!pool)
		return drop(ctx, DROP_NO_COLLECTOR);
	key.index = first_bucket() + bucket_of(source->hash, 0);
	bucket = bpf_map_lookup_elem(&cpu_counters, key_at(&key));
	if (!bucket)
		return drop(ctx, DROP_NO_COLLECTOR);
	counters = counters_in(bucket, identity_of(source->hash));
	if (!counters) {
		int found = find_counters_beyond(source->hash);

		if (found < 0)
			return select_uncached(ctx, found);
		counters = counters_at(found, &key);
		if (!counters)
			return drop(ctx, DROP_NO_COLLECTOR);
	}
	state = READ_ONCE(counters->state);
	if (state >> RPA_STATE_MARK_SHIFT != owner_mark(READ_ONCE(pool->version), source->hash))
		return select_uncached(ctx, find_counters(source->hash));
	time = state_time_of(source->hash);
	if (is_update_due(state, time, READ_ONCE(pool->update_mask)))
		state &= ~RPA_STATE_NOTED;
	state = state_at(state, time);
	add_run(counters, ctx->len);
	delivery = deliver_to_slot(ctx, state & RPA_STATE_OWNER, 1);
	if (delivery != DELIVERED)
		return select_from_ranks(ctx, delivery);
	if (!constants.shares_counters || !(state & RPA_STATE_NOTED))
		WRITE_ONCE(counters->state, (state | RPA_STATE_NOTED) & ~RPA_STATE_AWAY);
	if (!(state & RPA_STATE_NOTED))
		return update_exporter(ctx, state);
	return SK_PASS;
}

/* Without tracking: a datagram whose row's owner did not receive it. */
__noinline int select_from_row(struct sk_reuseport_md *ctx, __u32 index)
{
	struct source source;
	struct map_key key;
	const __u64 *row;

	if (!read_source(ctx, &source))
		return drop(ctx, DROP_BAD_PACKET);
	row = row_at(index, &key);
	if (!row)
		return drop(ctx, DROP_NO_COLLECTOR);
	return end_run(ctx, deliver_by_ranks(ctx, READ_ONCE(*row), source.high, source.low));
}

/* Without tracking: the owner, which is in a CPU's cache, or else the whole row. */
static __always_inline int select_untracked(struct sk_reuseport_md *ctx, const struct source *source)
{
	__u32 index = row_index(source->high, source->low, source->hash);
	struct map_key key;

	if (deliver_to_slot(ctx, read_owner(index, &key), 1) == DELIVERED)
		return SK_PASS;
	return select_from_row(ctx, index);
}

/*
 * Delivers to the owner of a row: its slot, or SELECTED_NONE. The hold time doesn't matter here:
 * without affinity, no exporter waits for this slot.
 */
__noinline int deliver_to_owner(struct sk_reuseport_md *ctx, __u32 index, __u32 is_first)
{
	struct map_key key;
	__u32 slot = read_owner(index, &key);

	return deliver_to_slot(ctx, slot, is_first) == DELIVERED ? slot : SELECTED_NONE;
}

/* The index of the row whose turn it is on this CPU. */
static __always_inline __u32 next_turn(void)
{
	__u32 *next = bpf_map_lookup_elem(&turns, ONLY), turn;

	if (!next)
		return 0;
	turn = *next;
	*next = turn + 1 < constants.table_size ? turn + 1 : 0;
	return turn;
}

/* Tries the owners of 8 rows: the next ones in turn, or those from the index on. */
__noinline int try_owners(struct sk_reuseport_md *ctx, __u32 index, __u32 is_first)
{
#pragma unroll
	for (__u32 step = 0; step < 8; step++) {
		__u32 row = constants.selection == RPA_BY_TURN ? next_turn() : index + step, slot;

		if (row >= constants.table_size)
			row -= constants.table_size;
		slot = deliver_to_owner(ctx, row, is_first && step == 0);
		if (is_selected(slot))
			return slot;
	}
	return SELECTED_NONE;
}

/* Without affinity: delivers to the owner of one of 64 rows, or to a stand-in. Returns the slot,
 * or SELECTED_NONE. */
__noinline int deliver_to_any(struct sk_reuseport_md *ctx)
{
	__u32 index = (ctx->hash * constants.table_size) >> 32, slot;

#pragma unroll
	for (__u32 step = 0; step < 64; step += 8) {
		slot = try_owners(ctx, index, step == 0);
		if (is_selected(slot))
			return slot;
		index += 8;
		if (index >= constants.table_size)
			index -= constants.table_size;
	}
	return deliver_to_any_stand_in(ctx, index);
}

/* A datagram for collectors that need no affinity. */
static __always_inline int select_without_affinity(struct sk_reuseport_md *ctx)
{
	__u32 selected = deliver_to_any(ctx);
	struct source source;

	if (constants.primary_buckets && read_source(ctx, &source)) {
		int found = find_counters(source.hash);

		found = count_datagram(source.high, source.low, source.hash, found, ctx->len);
		record_datagram(source.hash, found, selected);
	}
	return end_run(ctx, selected);
}

/*
 * Delivers a SYN by its exporter's row. The SYN is counted in the row's word before the ranks
 * are read from it: the agent can't move the row unseen in between, see RPA_SYN_SHIFT. Returns
 * the same as fail_over().
 */
static __always_inline __u32 deliver_syn(struct sk_reuseport_md *ctx, __u64 high, __u64 low, __u64 hash)
{
	struct map_key key;
	__u64 *row;

	row = row_at(row_index(high, low, hash), &key);
	if (!row)
		return SELECTED_NONE;
	__sync_fetch_and_add(row, 1ULL << RPA_SYN_SHIFT);
	return deliver_by_ranks(ctx, READ_ONCE(*row), high, low);
}

/*
 * A SYN, or a connection that migrates. The session is recorded without affinity, too: a
 * collector that drains waits for the end of its sessions.
 */
__noinline int select_for_connection(struct sk_reuseport_md *ctx, __u64 high, __u64 low, __u64 hash,
				     __u32 port)
{
	__u32 selected;

	if (constants.selection == RPA_BY_EXPORTER)
		selected = deliver_syn(ctx, high, low, hash);
	else
		selected = deliver_to_any(ctx);
	if (constants.primary_buckets)
		record_connection(high, low, hash, selected, ctx->len);
	if (is_selected(selected))
		record_session(high, low, port, selected);
	return end_run(ctx, selected);
}

/* A datagram or a SYN: steps 2 to 7 above. */
static __always_inline int select_for_packet(struct sk_reuseport_md *ctx)
{
	struct source source;
	__u32 port = 0;

	if (is_probe(ctx))
		return answer_probe(ctx);
	if (constants.is_stream) {
		if (read_peer(ctx, &source, &port))
			return select_for_connection(ctx, source.high, source.low, source.hash, port);
		if (constants.selection == RPA_BY_EXPORTER)
			return drop(ctx, DROP_BAD_PACKET);
		return end_run(ctx, deliver_to_any(ctx));
	}
	if (constants.selection != RPA_BY_EXPORTER)
		return select_without_affinity(ctx);
	if (!read_source(ctx, &source))
		return drop(ctx, DROP_BAD_PACKET);
	return constants.primary_buckets ? select_tracked(ctx, &source) : select_untracked(ctx, &source);
}

SEC("sk_reuseport")
int select_collector(struct sk_reuseport_md *ctx)
{
	return select_for_packet(ctx);
}

/* The same for a packet. A connection whose listener closes before accept(2) migrates to its
 * exporter's collector. */
SEC("sk_reuseport/migrate")
int select_or_migrate(struct sk_reuseport_md *ctx)
{
	struct bpf_sock *connection = ctx->migrating_sk;
	struct source source;
	__u32 port;

	if (!connection)
		return select_for_packet(ctx);
	read_migrating_peer(connection, &source, &port);
	return select_for_connection(ctx, source.high, source.low, source.hash, port);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
