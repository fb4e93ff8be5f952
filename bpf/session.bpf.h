// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TCP: whose connection it is, and which collector it went to. */
#ifndef SESSION_BPF_H
#define SESSION_BPF_H

#include "sighting.bpf.h"

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
 * connection itself tells. */
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

static __always_inline void note_session(const struct source *source, __u32 port, __u32 slot)
{
	struct rpa_session key = {source->high, source->low, port, constants.group};
	struct rpa_session_start start = {bpf_ktime_get_ns(), slot};

	bpf_map_update_elem(&sessions, &key, &start, BPF_ANY);
}

/* The ranked slots for a SYN: never those that are kept with the sighting, and
 * counted first. See RPA_SYN_SHIFT. */
static __always_inline bool ranks_of_syn(const struct source *source, __u64 *ranks)
{
	__u32 index = row_index(source);
	__u64 *row = bpf_map_lookup_elem(&rows, &index);

	if (!row)
		return false;
	__sync_fetch_and_add(row, 1ULL << RPA_SYN_SHIFT);
	*ranks = *(volatile __u64 *)row;
	return true;
}

/* The agent looks whether this program is attached. A router sends no empty
 * datagram, and its SYN has another source. */
static __always_inline bool is_probe(struct sk_reuseport_md *ctx)
{
	__u32 only = 0, port;
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, &only);
	struct source source;
	__u64 probe;

	if (!constants.is_stream && ctx->len > 8)
		return false;
	probe = pool ? *(const volatile __u64 *)&pool->probe : 0;
	return probe && read_peer(ctx, &source, &port) && source.hash + port == probe;
}

#endif
