// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the verifier requires of a program that is loaded with CAP_BPF alone.
 *
 * Without CAP_PERFMON, the verifier guards against speculation. Where the CPU may predict a
 * branch, the verifier also follows the other side, with the registers unchanged (Spectre v1).
 * Behind stores into the stack that a later load might bypass, it puts a barrier (Spectre v4).
 * On Linux 5.10, 6.1 and 6.12, an error on a side that is never taken is fatal; 6.18 puts a
 * barrier there instead. The programs therefore follow these rules, and `make test-kernels`
 * checks them:
 *
 * 1. A pointer that a lookup returned is compared with NULL once, and at once. No pointer that
 *    may be NULL is kept across another branch: an index is kept, and looked up again.
 * 2. Loops are unrolled. The verifier never leaves the side of a loop that takes one more
 *    iteration ("The sequence of 8193 jumps is too complex").
 * 3. Keys and values on the stack are built of whole 64-bit words, or are a struct map_key.
 *    Linux 5.10 and 6.1 refuse a shorter store into a word that held a known number
 *    ("attempt to corrupt spilled pointer on stack").
 * 4. Large pieces are global functions (__noinline, not static), which the verifier proves
 *    once instead of at each call. Calls are at most 8 functions deep.
 * 5. No switch on the result of a global function: clang would add a call of __bpf_trap.
 * 6. If several steps follow each other, and each depends on the result of the one before, each step is
 *    a global function: for the verifier, its result is any number. Otherwise, Linux 5.10 and 6.1 may
 *    check every combination of results; whether they do depends on the number of instructions before.
 *
 * A barrier costs more than the instructions around it. A store gets one if it is the first
 * into its part of the stack, if it stores a pointer, or if it overwrites a spilled register.
 * Each function therefore has one map_key for all of its lookups, and hot functions have few
 * variables that live across a call: there are four registers for them.
 */
#ifndef VERIFIER_BPF_H
#define VERIFIER_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define READ_ONCE(object) (*(const volatile typeof(object) *)&(object))
#define WRITE_ONCE(object, value) (*(volatile typeof(object) *)&(object) = (value))

/*
 * A key on the stack, in the upper half of an aligned word. A store there never counts as a
 * spilled register, and therefore only the first store of a function gets a barrier.
 */
struct map_key {
	__u32 unused;
	__u32 index;
} __attribute__((aligned(8)));

/* The key's address, computed at each use: the compiler would compute it once and spill it. */
static __always_inline void *key_at(struct map_key *key)
{
	void *address;

	asm volatile("%0 = %1; %0 += 4" : "=r"(address) : "r"(key) : "memory");
	return address;
}

/* The word that two adjacent 32-bit fields of a map's key or value are in memory. */
static __always_inline __u64 word_of_fields(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (__u64)second << 32;
#else
	return (__u64)first << 32 | second;
#endif
}

/* The last word of a struct rpa_exporter_event. */
static __always_inline __u64 word_of_event(__u32 seen, __u16 slot, __u16 former_slot)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word_of_fields(seen, slot | (__u32)former_slot << 16);
#else
	return word_of_fields(seen, (__u32)slot << 16 | former_slot);
#endif
}

#endif
