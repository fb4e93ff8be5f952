// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts what the sockets of a cgroup send and receive, by direction and by whether
 * the peer's address is internal. Every packet passes, whatever is found.
 *
 * A packet here is what the kernel hands to one socket: an IP packet with its headers,
 * or several that it has joined (GRO) or not yet parted (GSO), which have one set of
 * headers between them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "meter_layout.h"

/* A line for each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_meter);
} meter SEC(".maps");

/* Prefixes of internal peers. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RPA_MAX_INTERNAL);
	__type(key, struct rpa_prefix);
	__type(value, __u32);
} internal SEC(".maps");

static __always_inline bool is_internal(struct __sk_buff *skb, bool is_egress)
{
	struct rpa_prefix peer = {.length = 128};
	__u8 first = 0;

	if (bpf_skb_load_bytes(skb, 0, &first, sizeof(first)))
		return false;
	if (first >> 4 == 4) {
		peer.address[10] = 0xff;
		peer.address[11] = 0xff;
		if (bpf_skb_load_bytes(skb, is_egress ? 16 : 12, &peer.address[12], 4))
			return false;
	} else if (first >> 4 != 6 || bpf_skb_load_bytes(skb, is_egress ? 24 : 8, peer.address, 16)) {
		return false;
	}
	return bpf_map_lookup_elem(&internal, &peer);
}

static __always_inline int count(struct __sk_buff *skb, bool is_egress)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct rpa_meter *line = bpf_map_lookup_elem(&meter, &cpu);
	__u32 class = (is_egress ? RPA_EGRESS : 0) + (is_internal(skb, is_egress) ? 0 : RPA_EXTERNAL);

	/* What interrupts a sender counts on the same CPU. */
	if (line)
		__sync_fetch_and_add(&line->bytes[class & (RPA_METER_CLASSES - 1)], skb->len);
	return 1;
}

SEC("cgroup_skb/ingress")
int count_ingress(struct __sk_buff *skb)
{
	return count(skb, false);
}

SEC("cgroup_skb/egress")
int count_egress(struct __sk_buff *skb)
{
	return count(skb, true);
}

char _license[] SEC("license") = "Dual BSD/GPL";
