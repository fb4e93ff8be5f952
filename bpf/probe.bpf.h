// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The agent's probe: an empty datagram or a SYN that shows whether this program is attached
 * to the group, and whether it can select the socket of an entry.
 */
#ifndef PROBE_BPF_H
#define PROBE_BPF_H

#include <linux/errno.h>
#include <stdbool.h>

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

/*
 * Tries to select the socket that the probe asks for, records the kernel's answer in "losses",
 * and drops the probe: it reaches no collector, whatever was selected.
 */
__noinline int answer_probe(struct sk_reuseport_md *ctx)
{
	const struct rpa_settings *pool = bpf_map_lookup_elem(&settings, ONLY);
	struct rpa_losses *counters;
	struct map_key key;
	__u64 entry, error, count;

	if (!pool)
		return SK_DROP;
	entry = READ_ONCE(pool->probe_entry);
	key.index = entry;
	error = (__u16)-bpf_sk_select_reuseport(ctx, &sockets, key_at(&key), 0);
	counters = bpf_map_lookup_elem(&losses, ONLY);
	if (!counters)
		return SK_DROP;
	count = counters->probes + 1;
	WRITE_ONCE(counters->probe_result, count << 32 | entry << 16 | error);
	WRITE_ONCE(counters->probes, count);
	return SK_DROP;
}

#endif
