// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The agent's probe: an empty datagram or a SYN that shows whether this program is attached
 * to the group. The program counts it in "losses" and drops it.
 */
#ifndef PROBE_BPF_H
#define PROBE_BPF_H

#include "exporter.bpf.h"

/*
 * Compares the source address and port with the probe that the agent has announced in
 * "settings". A router's packet isn't mistaken for it: a router sends no empty datagram, and
 * its SYN has another source.
 */
static __always_inline bool is_probe(struct sk_reuseport_md *ctx)
{
	const struct rpa_settings *pool;
	struct source source;
	__u64 probe;
	__u32 port;

	/* Longer than the UDP header: the common case ends here. */
	if (!constants.is_stream && ctx->len > 8)
		return false;
	pool = bpf_map_lookup_elem(&settings, ONLY);
	if (!pool)
		return false;
	probe = READ_ONCE(pool->probe);
	return probe && read_peer(ctx, &source, &port) && source.hash + port == probe;
}

#endif
