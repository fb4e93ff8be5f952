// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "include/interpreter.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MAX_MAPS 32
#define MAX_DEPTH 8
#define STACK_BYTES 512
#define MAX_INSTRUCTIONS 1000000

struct map {
	const char *name;
	int fd;
	enum bpf_map_type type;
	uint32_t value_size, entries;
	char *values; /* of a sockarray: a byte for each entry */
};

struct interpreter {
	struct bpf_object *object;
	const struct bpf_insn *instructions;
	size_t count;
	struct map maps[MAX_MAPS];
	size_t map_count;
};

/* The state of a run. */
struct machine {
	struct interpreter *interpreter;
	struct sk_reuseport_md context;
	uint32_t source;
	uint64_t jiffies;
	struct interpreter_run *run;
};

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

static bool prepare_maps(struct interpreter *interpreter)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, interpreter->object) {
		struct map *own = &interpreter->maps[interpreter->map_count];
		size_t length = 0;
		const void *initial = bpf_map__is_internal(map) ? bpf_map__initial_value(map, &length) : NULL;

		if (interpreter->map_count++ == MAX_MAPS)
			return false;
		own->name = bpf_map__name(map);
		own->fd = bpf_map__fd(map);
		own->type = bpf_map__type(map);
		own->value_size = bpf_map__value_size(map);
		own->entries = bpf_map__max_entries(map);
		own->values = calloc(own->entries, own->value_size);
		if (!own->values)
			return false;
		if (initial)
			memcpy(own->values, initial, length);
	}
	return true;
}

struct interpreter *interpreter_open(const void *elf, size_t elf_length, const char *name,
				     const void *constants, size_t constants_length,
				     const struct interpreter_map *maps, size_t map_count)
{
	struct interpreter *interpreter = calloc(1, sizeof(*interpreter));
	struct bpf_program *program, *other;
	struct bpf_map *map;

	if (!interpreter)
		return NULL;
	libbpf_set_print(print_nothing);
	interpreter->object = bpf_object__open_mem(elf, elf_length, NULL);
	if (!interpreter->object)
		goto failed;
	program = bpf_object__find_program_by_name(interpreter->object, name);
	if (!program)
		goto failed;
	bpf_object__for_each_program(other, interpreter->object)
		bpf_program__set_autoload(other, other == program);
	bpf_object__for_each_map (map, interpreter->object) {
		size_t length = 0;
		void *initial =
			bpf_map__is_internal(map) ? (void *)bpf_map__initial_value(map, &length) : NULL;

		if (initial && length >= constants_length)
			memcpy(initial, constants, constants_length);
		for (size_t i = 0; i < map_count; i++) {
			if (!strcmp(bpf_map__name(map), maps[i].name))
				bpf_map__set_max_entries(map, maps[i].entries);
		}
	}
	if (bpf_object__load(interpreter->object) || !prepare_maps(interpreter))
		goto failed;
	interpreter->instructions = bpf_program__insns(program);
	interpreter->count = bpf_program__insn_cnt(program);
	return interpreter;
failed:
	interpreter_close(interpreter);
	return NULL;
}

void interpreter_close(struct interpreter *interpreter)
{
	int error = errno;

	for (size_t i = 0; i < interpreter->map_count; i++)
		free(interpreter->maps[i].values);
	bpf_object__close(interpreter->object);
	free(interpreter);
	errno = error;
}

static struct map *map_named(struct interpreter *interpreter, const char *name)
{
	for (size_t i = 0; i < interpreter->map_count; i++) {
		if (!strcmp(interpreter->maps[i].name, name))
			return &interpreter->maps[i];
	}
	return NULL;
}

static struct map *map_of_descriptor(struct interpreter *interpreter, int fd)
{
	for (size_t i = 0; i < interpreter->map_count; i++) {
		if (interpreter->maps[i].fd == fd)
			return &interpreter->maps[i];
	}
	return NULL;
}

static void *value_at(const struct map *map, uint32_t entry)
{
	return entry < map->entries ? map->values + (size_t)entry * map->value_size : NULL;
}

void *interpreter_value(struct interpreter *interpreter, const char *name, uint32_t entry)
{
	const struct map *map = map_named(interpreter, name);

	return map ? value_at(map, entry) : NULL;
}

void interpreter_set_socket(struct interpreter *interpreter, uint32_t entry, int is_there)
{
	char *value = interpreter_value(interpreter, "sockets", entry);

	if (value)
		*value = is_there;
}

static long select_socket(struct machine *machine, const struct map *map, uint32_t entry)
{
	const char *value = value_at(map, entry);

	if (!value || !*value)
		return -ENOENT;
	machine->run->entry = entry;
	return 0;
}

/* The source address of an IPv4 header: no program asks for another part of a long datagram. */
static long load_source(const struct machine *machine, uint64_t offset, void *to, uint64_t length)
{
	const uint32_t source = htonl(machine->source);

	if (offset != 12 || length != sizeof(source))
		return -EFAULT;
	memcpy(to, &source, sizeof(source));
	return 0;
}

/* false: an unknown helper. */
static bool call_helper(struct machine *machine, int helper, uint64_t *registers)
{
	void *first = (void *)registers[1], *second = (void *)registers[2];

	machine->run->calls++;
	switch (helper) {
	case BPF_FUNC_map_lookup_elem:
		registers[0] = (uint64_t)value_at(first, *(uint32_t *)second);
		return true;
	case BPF_FUNC_sk_select_reuseport:
		registers[0] = select_socket(machine, second, *(uint32_t *)registers[3]);
		return true;
	case BPF_FUNC_skb_load_bytes_relative:
		registers[0] = load_source(machine, registers[2], (void *)registers[3], registers[4]);
		return true;
	case BPF_FUNC_jiffies64:
		registers[0] = machine->jiffies;
		return true;
	case BPF_FUNC_ktime_get_ns:
		registers[0] = machine->jiffies * 4000000;
		return true;
	case BPF_FUNC_get_smp_processor_id:
	case BPF_FUNC_spin_lock:
	case BPF_FUNC_spin_unlock:
	case BPF_FUNC_ringbuf_output:
		registers[0] = 0;
		return true;
	default:
		return false;
	}
}

static uint64_t loaded(const void *address, int size)
{
	switch (size) {
	case BPF_B:
		return *(const uint8_t *)address;
	case BPF_H:
		return *(const uint16_t *)address;
	case BPF_W:
		return *(const uint32_t *)address;
	default:
		return *(const uint64_t *)address;
	}
}

static void store(void *address, int size, uint64_t value)
{
	switch (size) {
	case BPF_B:
		*(uint8_t *)address = value;
		break;
	case BPF_H:
		*(uint16_t *)address = value;
		break;
	case BPF_W:
		*(uint32_t *)address = value;
		break;
	default:
		*(uint64_t *)address = value;
	}
}

/* A register, or the number in the instruction, with its sign. */
static uint64_t second_operand(const struct bpf_insn *instruction, const uint64_t *registers)
{
	return BPF_SRC(instruction->code) == BPF_X ? registers[instruction->src_reg]
						   : (uint64_t)(int64_t)instruction->imm;
}

/* false: an unknown operation. */
static bool compute(const struct bpf_insn *instruction, uint64_t *registers)
{
	const bool is_long = BPF_CLASS(instruction->code) == BPF_ALU64;
	uint64_t *target = &registers[instruction->dst_reg];
	uint64_t left = is_long ? *target : (uint32_t)*target;
	uint64_t right = second_operand(instruction, registers);
	const unsigned int bits = is_long ? 63 : 31;

	if (!is_long)
		right = (uint32_t)right;
	switch (BPF_OP(instruction->code)) {
	case BPF_ADD:
		left += right;
		break;
	case BPF_SUB:
		left -= right;
		break;
	case BPF_MUL:
		left *= right;
		break;
	case BPF_DIV:
		left = right ? left / right : 0;
		break;
	case BPF_MOD:
		left = right ? left % right : left;
		break;
	case BPF_OR:
		left |= right;
		break;
	case BPF_AND:
		left &= right;
		break;
	case BPF_XOR:
		left ^= right;
		break;
	case BPF_LSH:
		left <<= right & bits;
		break;
	case BPF_RSH:
		left >>= right & bits;
		break;
	case BPF_ARSH:
		left = is_long ? (uint64_t)((int64_t)left >> (right & bits))
			       : (uint64_t)((int32_t)left >> (right & bits));
		break;
	case BPF_NEG:
		left = -left;
		break;
	case BPF_MOV:
		left = right;
		break;
	case BPF_END:
		left = instruction->imm == 16
			       ? (BPF_SRC(instruction->code) == BPF_TO_BE ? htons(left) : (uint16_t)left)
		       : instruction->imm == 32
			       ? (BPF_SRC(instruction->code) == BPF_TO_BE ? htonl(left) : (uint32_t)left)
		       : BPF_SRC(instruction->code) == BPF_TO_BE ? __builtin_bswap64(left)
								 : left;
		*target = left;
		return true;
	default:
		return false;
	}
	*target = is_long ? left : (uint32_t)left;
	return true;
}

/* -1: an unknown condition. */
static int is_true(const struct bpf_insn *instruction, const uint64_t *registers)
{
	const bool is_long = BPF_CLASS(instruction->code) == BPF_JMP;
	uint64_t left = registers[instruction->dst_reg];
	uint64_t right = second_operand(instruction, registers);
	int64_t signed_left = left, signed_right = right;

	if (!is_long) {
		left = (uint32_t)left;
		right = (uint32_t)right;
		signed_left = (int32_t)left;
		signed_right = (int32_t)right;
	}
	switch (BPF_OP(instruction->code)) {
	case BPF_JEQ:
		return left == right;
	case BPF_JNE:
		return left != right;
	case BPF_JGT:
		return left > right;
	case BPF_JGE:
		return left >= right;
	case BPF_JLT:
		return left < right;
	case BPF_JLE:
		return left <= right;
	case BPF_JSET:
		return !!(left & right);
	case BPF_JSGT:
		return signed_left > signed_right;
	case BPF_JSGE:
		return signed_left >= signed_right;
	case BPF_JSLT:
		return signed_left < signed_right;
	case BPF_JSLE:
		return signed_left <= signed_right;
	default:
		return -1;
	}
}

static int execute(struct machine *machine, size_t at, uint64_t *arguments, int depth, uint64_t *result)
{
	struct interpreter *interpreter = machine->interpreter;
	_Alignas(16) char stack[STACK_BYTES] = {};
	uint64_t registers[11] = {};

	if (depth > MAX_DEPTH)
		return -ELOOP;
	memcpy(&registers[1], &arguments[1], 5 * sizeof(registers[0]));
	registers[10] = (uint64_t)(stack + STACK_BYTES);
	while (at < interpreter->count) {
		const struct bpf_insn *instruction = &interpreter->instructions[at++];
		uint64_t *target = &registers[instruction->dst_reg];
		char *address;
		int taken, error;

		if (++machine->run->instructions > MAX_INSTRUCTIONS)
			return -ELOOP;
		switch (BPF_CLASS(instruction->code)) {
		case BPF_ALU:
		case BPF_ALU64:
			if (!compute(instruction, registers))
				return -EOPNOTSUPP;
			break;
		case BPF_LD:
			if (instruction->code != (BPF_LD | BPF_IMM | BPF_DW))
				return -EOPNOTSUPP;
			*target = (uint32_t)instruction[0].imm | (uint64_t)(uint32_t)instruction[1].imm << 32;
			if (instruction->src_reg) {
				struct map *map = map_of_descriptor(interpreter, instruction->imm);

				if (!map)
					return -EBADF;
				*target = instruction->src_reg == BPF_PSEUDO_MAP_VALUE
						  ? (uint64_t)(map->values + (uint32_t)instruction[1].imm)
						  : (uint64_t)map;
			}
			at++;
			break;
		case BPF_LDX:
			*target = loaded((char *)registers[instruction->src_reg] + instruction->off,
					 BPF_SIZE(instruction->code));
			break;
		case BPF_ST:
			store((char *)*target + instruction->off, BPF_SIZE(instruction->code),
			      instruction->imm);
			break;
		case BPF_STX:
			address = (char *)*target + instruction->off;
			if (BPF_MODE(instruction->code) == BPF_ATOMIC) {
				if ((instruction->imm & ~BPF_FETCH) != BPF_ADD)
					return -EOPNOTSUPP;
				uint64_t before = loaded(address, BPF_SIZE(instruction->code));

				store(address, BPF_SIZE(instruction->code),
				      before + registers[instruction->src_reg]);
				if (instruction->imm & BPF_FETCH)
					registers[instruction->src_reg] = before;
			} else {
				store(address, BPF_SIZE(instruction->code), registers[instruction->src_reg]);
			}
			break;
		default:
			switch (BPF_OP(instruction->code)) {
			case BPF_EXIT:
				*result = registers[0];
				return 0;
			case BPF_JA:
				at += instruction->off;
				break;
			case BPF_CALL:
				if (instruction->src_reg == BPF_PSEUDO_CALL) {
					error = execute(machine, at + instruction->imm, registers, depth + 1,
							&registers[0]);
					if (error)
						return error;
				} else if (!call_helper(machine, instruction->imm, registers)) {
					return -ENOSYS;
				}
				break;
			default:
				taken = is_true(instruction, registers);
				if (taken < 0)
					return -EOPNOTSUPP;
				if (taken)
					at += instruction->off;
			}
		}
	}
	return -EFAULT;
}

int interpreter_run_udp(struct interpreter *interpreter, uint32_t source, uint32_t length, uint64_t jiffies,
			struct interpreter_run *run)
{
	struct machine machine = {
		.interpreter = interpreter, .source = source, .jiffies = jiffies, .run = run};
	uint64_t arguments[6] = {}, result = 0;
	int error;

	*run = (struct interpreter_run){.entry = -1};
	machine.context.len = length;
	machine.context.eth_protocol = htons(ETH_P_IP);
	/* Any 4-tuple's hash: the programs spread flows by it. */
	machine.context.hash = source * 2654435761u;
	arguments[1] = (uint64_t)&machine.context;
	error = execute(&machine, 0, arguments, 0, &result);
	run->result = result;
	return error;
}
