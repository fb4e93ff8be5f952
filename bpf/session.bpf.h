// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TCP sessions: the slot that each peer's SYN went to, for the agent. */
#ifndef SESSION_BPF_H
#define SESSION_BPF_H

#include "maps.bpf.h"

/* record_session() builds these structs of whole words, see verifier.bpf.h, rule 3. */
_Static_assert(sizeof(struct rpa_session) == 24 && __builtin_offsetof(struct rpa_session, port) == 16 &&
		       __builtin_offsetof(struct rpa_session, group) == 20,
	       "key of sessions");
_Static_assert(sizeof(struct rpa_session_start) == 16 &&
		       __builtin_offsetof(struct rpa_session_start, slot) == 8,
	       "value of sessions");

/* Records which slot the peer's connection went to. */
__noinline int record_session(__u64 high, __u64 low, __u32 port, __u32 slot)
{
	__u64 key[3] = {high, low, word_of_fields(port, constants.group)};
	__u64 start[2] = {bpf_ktime_get_ns(), word_of_fields(slot, 0)};

	bpf_map_update_elem(&sessions, key, start, BPF_ANY);
	return 0;
}

#endif
