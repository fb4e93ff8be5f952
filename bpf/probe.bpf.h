// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The agent's probes. */
#ifndef PROBE_BPF_H
#define PROBE_BPF_H

#include "exporter.bpf.h"

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
