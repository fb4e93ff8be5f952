#define _GNU_SOURCE
#include "include/rpa_bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

#include "result.h"

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

/* From the kernel's linux/bpf_verifier.h, which isn't exported to user space. */
#define BPF_LOG_STATS 4

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

/* Maps without a binding aren't created: the program doesn't reach them. */
static int bind_maps(struct bpf_object *object, const struct rpa_map_binding *maps, size_t map_count)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		if (!bpf_map__is_internal(map))
			bpf_map__set_autocreate(map, false);
	}
	for (size_t i = 0; i < map_count; i++) {
		int error;

		map = bpf_object__find_map_by_name(object, maps[i].name);
		if (!map)
			return -ENOENT;
		error = bpf_map__set_autocreate(map, true);
		if (!error && maps[i].fd >= 0)
			error = bpf_map__reuse_fd(map, maps[i].fd);
		if (error)
			return error;
	}
	return 0;
}

static int set_constants(struct bpf_object *object, const void *constants, size_t constants_length)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		const char *name = bpf_map__name(map);
		size_t length = 0;
		void *initial;

		if (!bpf_map__is_internal(map) || !strstr(name, ".rodata"))
			continue;
		initial = (void *)bpf_map__initial_value(map, &length);
		if (!initial || length < constants_length)
			return -EINVAL;
		memcpy(initial, constants, constants_length);
		return 0;
	}
	return constants_length ? -ENOENT : 0;
}

int rpa_program_load(const void *elf, size_t elf_length, const char *program_name,
		     const struct rpa_map_binding *maps, size_t map_count, const void *constants,
		     size_t constants_length, char *log, size_t log_length)
{
	struct bpf_program *program, *other;
	struct bpf_object *object;
	int error, fd = -ENOENT;

	libbpf_set_print(print_nothing);
	log[0] = '\0';
	object = bpf_object__open_mem(elf, elf_length, NULL);
	if (!object)
		return -errno;
	program = bpf_object__find_program_by_name(object, program_name);
	error = program ? bind_maps(object, maps, map_count) : -ENOENT;
	if (!error)
		error = set_constants(object, constants, constants_length);
	if (!error) {
		bpf_object__for_each_program(other, object)
			bpf_program__set_autoload(other, other == program);
		error = bpf_program__set_log_buf(program, log, log_length);
	}
	/*
	 * What the verifier refuses, and its statistics. Its whole log of a program like ours
	 * does not fit: before Linux 6.4 the end is cut off, and the load fails with ENOSPC.
	 */
	if (!error)
		error = bpf_program__set_log_level(program, BPF_LOG_STATS);
	if (!error)
		error = bpf_object__load(object);
	if (!error)
		fd = result(fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3));
	bpf_object__close(object);
	return error ? error : fd;
}

int rpa_attach_reuseport(int socket, int program)
{
	return set_option(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, program);
}

int rpa_detach_reuseport(int socket)
{
	/* The kernel ignores the value. */
	return set_option(socket, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
}

int rpa_wait_for_runs(void)
{
	/* The kernel's synchronize_rcu(), under which programs run. */
	return result(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
}

int rpa_enable_run_stats(void)
{
	return bpf_enable_stats(BPF_STATS_RUN_TIME);
}

int rpa_run_stats(int program, uint64_t *nanoseconds, uint64_t *runs)
{
	struct bpf_prog_info info = {};
	uint32_t length = sizeof(info);
	int error = bpf_obj_get_info_by_fd(program, &info, &length);

	if (error)
		return error;
	*nanoseconds = info.run_time_ns;
	*runs = info.run_cnt;
	return 0;
}

int rpa_program_size_of(uint32_t identifier, struct rpa_program_size *size)
{
	struct bpf_prog_info info = {};
	uint32_t length = sizeof(info);
	int error, fd = bpf_prog_get_fd_by_id(identifier);

	if (fd < 0)
		return fd;
	error = bpf_obj_get_info_by_fd(fd, &info, &length);
	close(fd);
	if (error)
		return error;
	size->verified = info.verified_insns;
	size->translated = info.xlated_prog_len / sizeof(struct bpf_insn);
	return 0;
}

int rpa_probe_migration(void)
{
	/* r0 = ctx->migrating_sk; r0 = SK_DROP; exit. By the field, for older kernels
	 * take any expected_attach_type. */
	const struct bpf_insn drop[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_DW,
		 .dst_reg = BPF_REG_0,
		 .src_reg = BPF_REG_1,
		 .off = offsetof(struct sk_reuseport_md, migrating_sk)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE);
	int program = bpf_prog_load(BPF_PROG_TYPE_SK_REUSEPORT, "probe", "GPL", drop,
				    sizeof(drop) / sizeof(drop[0]), &options);

	if (program < 0)
		return program == -EINVAL || program == -EACCES ? 0 : program;
	close(program);
	return 1;
}
