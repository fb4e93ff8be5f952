// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TCP: whose connection it is, and which collector it went to. */
#ifndef SESSION_BPF_H
#define SESSION_BPF_H

#include "exporter.bpf.h"

#define AF_INET 2 /* not among the kernel's own headers */

/* The peer of a SYN. TCP and UDP have the source port in the same place. */
static __always_inline bool read_peer(struct sk_reuseport_md *ctx, struct source *source, __u32 *port)
{
	__be16 number;

	if (!read_source(ctx, source) || bpf_skb_load_bytes(ctx, 0, &number, sizeof(number)))
		return false;
	*port = bpf_ntohs(number);
	return true;
}

/* The peer of a connection whose listener is closing. There may be no packet: the
 * connection itself has it. */
static __always_inline void read_migrating(struct bpf_sock *connection, struct source *source, __u32 *port)
{
	*port = bpf_ntohs(connection->dst_port);
	source->high = (__u64)bpf_ntohl(connection->dst_ip6[0]) << 32 | bpf_ntohl(connection->dst_ip6[1]);
	source->low = (__u64)bpf_ntohl(connection->dst_ip6[2]) << 32 | bpf_ntohl(connection->dst_ip6[3]);
	/* A dual-stack listener's IPv4 connection keeps its address there alone
	 * until the handshake is over. */
	if (connection->family == AF_INET || !(source->high | source->low)) {
		source->high = 0;
		source->low = 0xffffULL << 32 | bpf_ntohl(connection->dst_ip4);
	}
	source->hash = finalize(multilinear(source->high, source->low));
}

/* The words below are these structs. */
_Static_assert(sizeof(struct rpa_session) == 24 && __builtin_offsetof(struct rpa_session, port) == 16 &&
		       __builtin_offsetof(struct rpa_session, group) == 20,
	       "key of sessions");
_Static_assert(sizeof(struct rpa_session_start) == 16 &&
		       __builtin_offsetof(struct rpa_session_start, slot) == 8,
	       "value of sessions");

/* Notes which slot the peer's connection went to. */
__noinline int note_session(__u64 high, __u64 low, __u32 port, __u32 slot)
{
	__u64 key[3] = {high, low, word_of_fields(port, constants.group)};
	__u64 start[2] = {bpf_ktime_get_ns(), word_of_fields(slot, 0)};

	bpf_map_update_elem(&sessions, key, start, BPF_ANY);
	return 0;
}

/* The agent looks whether this program is attached. A router sends no empty
 * datagram, and its SYN has another source. */
static __always_inline bool is_probe(struct sk_reuseport_md *ctx)
{
	const struct rpa_settings *pool;
	struct source source;
	__u64 probe;
	__u32 port;

	if (!constants.is_stream && ctx->len > 8)
		return false;
	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return false;
	probe = READ_ONCE(pool->probe);
	return probe && read_peer(ctx, &source, &port) && source.hash + port == probe;
}

#endif
