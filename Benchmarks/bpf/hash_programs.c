// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Hashes of a 128-bit source address. Each program hashes RPA_HASHES times and feeds each hash
 * into the next address: the benchmark measures how long a selection waits for the hash.
 */
#include "../../bpf/exporter.bpf.h"

#define RPA_HASHES 64

#define PROGRAM(name, expression)                                 \
	SEC("sk_reuseport")                                       \
	int name(struct sk_reuseport_md *ctx)                     \
	{                                                         \
		__u64 high = ctx->hash, low = ctx->len, hash = 0; \
                                                                  \
		for (int i = 0; i < RPA_HASHES; i++) {            \
			high ^= hash;                             \
			hash = expression;                        \
		}                                                 \
		return hash == 1 ? SK_DROP : SK_PASS;             \
	}

/* Only the loop, without a hash. */
PROGRAM(no_hash, high + low)

/* The hash in use, for IPv6 and for IPv4, where only the last word is unknown. */
PROGRAM(multilinear_mix13, hash_of_address(high, low))
PROGRAM(multilinear_mix13_ipv4,
	finalize(READ_ONCE(constants.hash_keys[0]) + READ_ONCE(constants.hash_keys[3]) * 0xffff +
		 constants.hash_keys[4] * (__u32)(high ^ low)))

/* The finalizer alone, over the exclusive or of both halves: addresses with the same one collide. */
PROGRAM(mix13, finalize(high ^ low))

static __always_inline __u32 rotated(__u32 word, int bits)
{
	return word << bits | word >> (32 - bits);
}
static __always_inline __u64 rotated64(__u64 word, int bits)
{
	return word << bits | word >> (64 - bits);
}

/* Bob Jenkins's lookup3 of four words, the same as the kernel's jhash2(). */
static __always_inline __u32 lookup3(__u64 high, __u64 low)
{
	__u32 a = 0xdeadbeef + 16 + (__u32)constants.hash_keys[0], b = a, c = a;

	a += high;
	b += high >> 32;
	c += low;
	a = (a - c) ^ rotated(c, 4);
	c += b;
	b = (b - a) ^ rotated(a, 6);
	a += c;
	c = (c - b) ^ rotated(b, 8);
	b += a;
	a = (a - c) ^ rotated(c, 16);
	c += b;
	b = (b - a) ^ rotated(a, 19);
	a += c;
	c = (c - b) ^ rotated(b, 4);
	b += a;
	a += low >> 32;
	c = (c ^ b) - rotated(b, 14);
	a = (a ^ c) - rotated(c, 11);
	b = (b ^ a) - rotated(a, 25);
	c = (c ^ b) - rotated(b, 16);
	a = (a ^ c) - rotated(c, 4);
	b = (b ^ a) - rotated(a, 14);
	return (c ^ b) - rotated(b, 24);
}
PROGRAM(jhash, lookup3(high, low))

/* MurmurHash3 of four words, 32 bits (Austin Appleby, public domain). */
static __always_inline __u32 murmur_step(__u32 hash, __u32 word)
{
	return rotated(hash ^ rotated(word * 0xcc9e2d51, 15) * 0x1b873593, 13) * 5 + 0xe6546b64;
}

static __always_inline __u32 murmur(__u64 high, __u64 low)
{
	__u32 hash = constants.hash_keys[0];

	hash = murmur_step(hash, high);
	hash = murmur_step(hash, high >> 32);
	hash = murmur_step(hash, low);
	hash = murmur_step(hash, low >> 32) ^ 16;
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}
PROGRAM(murmur3, murmur(high, low))

/* FNV-1a, 64 bits, byte by byte (RFC 9923). */
static __always_inline __u64 fnv(__u64 high, __u64 low)
{
	__u64 hash = 0xcbf29ce484222325ULL ^ constants.hash_keys[0];

#pragma unroll
	for (int byte = 0; byte < 8; byte++)
		hash = (hash ^ (high >> 8 * byte & 0xff)) * 0x100000001b3ULL;
#pragma unroll
	for (int byte = 0; byte < 8; byte++)
		hash = (hash ^ (low >> 8 * byte & 0xff)) * 0x100000001b3ULL;
	return hash;
}
PROGRAM(fnv1a, fnv(high, low))

/* SipHash (Aumasson and Bernstein, INDOCRYPT 2012) of two words. */
static __always_inline void sip_rounds(__u64 v[4], int count)
{
#pragma unroll
	for (int round = 0; round < count; round++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotated64(v[1], 13) ^ v[0];
		v[3] = rotated64(v[3], 16) ^ v[2];
		v[0] = rotated64(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotated64(v[1], 17) ^ v[2];
		v[3] = rotated64(v[3], 21) ^ v[0];
		v[2] = rotated64(v[2], 32);
	}
}

static __always_inline __u64 siphash(__u64 high, __u64 low, int per_word, int at_end)
{
	const __u64 words[3] = {high, low, 16ULL << 56};
	__u64 k0 = constants.hash_keys[0], k1 = constants.hash_keys[1];
	__u64 v[4] = {
		k0 ^ 0x736f6d6570736575ULL,
		k1 ^ 0x646f72616e646f6dULL,
		k0 ^ 0x6c7967656e657261ULL,
		k1 ^ 0x7465646279746573ULL,
	};

#pragma unroll
	for (int word = 0; word < 3; word++) {
		v[3] ^= words[word];
		sip_rounds(v, per_word);
		v[0] ^= words[word];
	}
	v[2] ^= 0xff;
	sip_rounds(v, at_end);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
PROGRAM(siphash_1_3, siphash(high, low, 1, 3))
PROGRAM(siphash_2_4, siphash(high, low, 2, 4))

char LICENSE[] SEC("license") = "Dual BSD/GPL";
