// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts the bytes that the sockets of a cgroup send and receive, by direction and by whether
 * the peer's address is internal. Every packet passes, also one that can't be counted.
 *
 * A packet here is what the kernel hands over at once: an IP packet with its headers, or several
 * that it has joined (GRO) or not yet split (GSO), which share one set of headers.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "meter_layout.h"
#include "verifier.bpf.h"

/* A cache line for each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_meter);
} meter SEC(".maps");

/* The prefixes of internal peers. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RPA_MAX_INTERNAL);
	__type(key, struct rpa_prefix);
	__type(value, __u32);
} internal SEC(".maps");

static __always_inline bool is_internal(struct __sk_buff *skb, bool is_egress)
{
	/* From "length" on, a struct rpa_prefix. Its address is in whole words: see verifier.bpf.h. */
	struct {
		__u32 unused, length;
		__u64 high, low;
	} peer = {.length = 128};
	__u32 address = 0;
	__u8 first = 0;

	if (bpf_skb_load_bytes(skb, 0, &first, sizeof(first)))
		return false;
	if (first >> 4 == 4) {
		if (bpf_skb_load_bytes(skb, is_egress ? 16 : 12, &address, sizeof(address)))
			return false;
		peer.low = word_of_fields(bpf_htonl(0xffff), address);
	} else if (first >> 4 != 6 || bpf_skb_load_bytes(skb, is_egress ? 24 : 8, &peer.high, 16)) {
		return false;
	}
	return bpf_map_lookup_elem(&internal, &peer.length);
}

/*
 * Atomic, because an interrupt may count on the CPU of the sender that it interrupts. In
 * assembly, because the compiler would merge two additions into one at an index that depends
 * on the branch: with CAP_BPF alone, the verifier refuses to add a number to a pointer if it
 * knows a different number on each side of the branch.
 */
static __always_inline void add(struct rpa_meter *line, __u32 class, __u64 bytes)
{
	asm volatile("lock *(u64 *)(%0 + %1) += %2"
		     :
		     : "r"(line), "i"(class * sizeof(line->bytes[0])), "r"(bytes)
		     : "memory");
}

static __always_inline int count(struct __sk_buff *skb, bool is_egress)
{
	__u32 cpu = bpf_get_smp_processor_id();
	bool internal_peer = is_internal(skb, is_egress);
	struct rpa_meter *line = bpf_map_lookup_elem(&meter, &cpu);

	if (!line)
		return 1;
	if (internal_peer)
		add(line, is_egress ? RPA_EGRESS : 0, skb->len);
	else
		add(line, (is_egress ? RPA_EGRESS : 0) + RPA_EXTERNAL, skb->len);
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
