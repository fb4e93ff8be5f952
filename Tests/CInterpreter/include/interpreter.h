/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs a selection program in this process, instruction by instruction, so that a test knows how many a
 * run takes. The instructions are those that libbpf hands to the kernel; what the verifier then
 * replaces (the look-up in an array becomes a few instructions) counts as one call. The helpers are our own,
 * and so is the memory of the maps: neither sockets nor packets are real.
 */
#ifndef INTERPRETER_H
#define INTERPRETER_H

#include <stddef.h>
#include <stdint.h>

struct interpreter;

struct interpreter_map {
	const char *name;
	uint32_t entries;
};

/* What a run did. */
struct interpreter_run {
	long instructions;
	long calls; /* of helpers, one instruction each */
	int result; /* SK_PASS or SK_DROP */
	long entry; /* of the sockarray, whose socket was selected; -1: none */
};

/*
 * Loads the program into the kernel, because only then libbpf has put its functions together, and prepares
 * empty maps. NULL: that failed, see errno. maps: those that have more entries than the object says.
 */
struct interpreter *interpreter_open(const void *elf, size_t elf_length, const char *program,
				     const void *constants, size_t constants_length,
				     const struct interpreter_map *maps, size_t map_count);
void interpreter_close(struct interpreter *interpreter);

/* The value of a map's entry, or NULL. */
void *interpreter_value(struct interpreter *interpreter, const char *map, uint32_t entry);

/* Whether the sockarray "sockets" has a socket there. */
void interpreter_set_socket(struct interpreter *interpreter, uint32_t entry, int is_there);

/* Runs the program with a UDP datagram of an IPv4 source. Negative: an instruction or helper that the
 * interpreter doesn't know, or a run without end. */
int interpreter_run_udp(struct interpreter *interpreter, uint32_t source, uint32_t length, uint64_t jiffies,
			struct interpreter_run *run);

#endif
