#define _GNU_SOURCE
#include "include/rpa_bpf.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

static int result(int value)
{
	return value < 0 ? -errno : value;
}

static enum bpf_map_type map_type(enum rpa_map_kind kind)
{
	switch (kind) {
	case RPA_MAP_PERCPU_ARRAY:
		return BPF_MAP_TYPE_PERCPU_ARRAY;
	case RPA_MAP_SOCKARRAY:
		return BPF_MAP_TYPE_REUSEPORT_SOCKARRAY;
	case RPA_MAP_PROGRAMS:
		return BPF_MAP_TYPE_PROG_ARRAY;
	case RPA_MAP_OF_SOCKARRAYS:
		return BPF_MAP_TYPE_ARRAY_OF_MAPS;
	case RPA_MAP_SESSIONS:
		return BPF_MAP_TYPE_LRU_HASH;
	case RPA_MAP_EVENTS:
		return BPF_MAP_TYPE_RINGBUF;
	case RPA_MAP_PREFIXES:
		return BPF_MAP_TYPE_LPM_TRIE;
	default:
		return BPF_MAP_TYPE_ARRAY;
	}
}

static uint32_t map_flags(enum rpa_map_kind kind)
{
	return kind == RPA_MAP_MMAPABLE_ARRAY ? BPF_F_MMAPABLE : kind == RPA_MAP_PREFIXES ? BPF_F_NO_PREALLOC : 0;
}

static uint32_t key_size(enum rpa_map_kind kind)
{
	switch (kind) {
	case RPA_MAP_SESSIONS:
		return sizeof(struct rpa_session);
	case RPA_MAP_PREFIXES:
		return sizeof(struct rpa_prefix);
	case RPA_MAP_EVENTS:
		return 0;
	default:
		return sizeof(uint32_t);
	}
}

/* What the kernel has to know of struct rpa_admission, to take the lock in it: a BTF
 * object's fd. The type of its key goes to *key, its own to *value. */
static int admission_types(uint32_t *key, uint32_t *value)
{
	struct btf *btf = btf__new_empty();
	int word, lock, wide, all, error, fd;

	if (!btf)
		return -errno;
	word = btf__add_int(btf, "unsigned int", 4, 0);
	wide = btf__add_int(btf, "unsigned long long", 8, 0);
	lock = btf__add_struct(btf, "bpf_spin_lock", 4);
	error = btf__add_field(btf, "val", word, 0, 0);
	all = btf__add_struct(btf, "rpa_admission", sizeof(struct rpa_admission));
	if (!error)
		error = btf__add_field(btf, "lock", lock, 0, 0);
	if (!error)
		error = btf__add_field(btf, "used", word, 8 * offsetof(struct rpa_admission, used), 0);
	if (!error)
		error = btf__add_field(btf, "evicted", wide, 8 * offsetof(struct rpa_admission, evicted), 0);
	if (!error && (word < 0 || wide < 0 || lock < 0 || all < 0))
		error = -EINVAL;
	if (!error)
		error = btf__load_into_kernel(btf);
	*key = (uint32_t)word;
	*value = (uint32_t)all;
	fd = error ? error : result(fcntl(btf__fd(btf), F_DUPFD_CLOEXEC, 3));
	btf__free(btf);
	return fd;
}

int rpa_map_create(enum rpa_map_kind kind, const char *name, uint32_t value_size,
		   uint32_t max_entries, int template)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = map_flags(kind));

	int map, types = -1;

	if (kind == RPA_MAP_OF_SOCKARRAYS)
		options.inner_map_fd = (uint32_t)template;
	if (kind == RPA_MAP_ADMISSION) {
		types = admission_types(&options.btf_key_type_id, &options.btf_value_type_id);
		if (types < 0)
			return types;
		options.btf_fd = (uint32_t)types;
	}
	map = bpf_map_create(map_type(kind), name, key_size(kind), value_size, max_entries, &options);
	if (types >= 0)
		close(types);
	return map;
}

int rpa_map_differs(int map, enum rpa_map_kind kind, uint32_t value_size, uint32_t max_entries)
{
	struct bpf_map_info info = {};
	uint32_t length = sizeof(info);
	int error = bpf_obj_get_info_by_fd(map, &info, &length);

	if (error)
		return error;
	return info.type != map_type(kind) || info.map_flags != map_flags(kind) ||
	       info.key_size != key_size(kind) || info.value_size != value_size ||
	       info.max_entries != max_entries;
}

int rpa_map_lookup(int map, uint32_t index, void *value)
{
	return bpf_map_lookup_elem(map, &index, value);
}

int rpa_map_update(int map, uint32_t index, const void *value)
{
	return bpf_map_update_elem(map, &index, value, BPF_ANY);
}

int rpa_map_delete(int map, uint32_t index)
{
	return bpf_map_delete_elem(map, &index);
}

int rpa_session_lookup(int map, const struct rpa_session *session, struct rpa_session_start *start)
{
	return bpf_map_lookup_elem(map, session, start);
}

int rpa_session_update(int map, const struct rpa_session *session, const struct rpa_session_start *start)
{
	return bpf_map_update_elem(map, session, start, BPF_ANY);
}

int rpa_session_count(int map)
{
	struct rpa_session session;
	int count = 0, result = bpf_map_get_next_key(map, NULL, &session);

	while (!result) {
		count++;
		result = bpf_map_get_next_key(map, &session, &session);
	}
	return result == -ENOENT ? count : result;
}

int rpa_session_delete(int map, const struct rpa_session *session)
{
	return bpf_map_delete_elem(map, session);
}

int rpa_map_id(int map, uint32_t *id)
{
	struct bpf_map_info info = {};
	uint32_t length = sizeof(info);
	int error = bpf_obj_get_info_by_fd(map, &info, &length);

	*id = info.id;
	return error;
}

int rpa_map_memory(int map, size_t length, void **memory)
{
	*memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	return *memory == MAP_FAILED ? -errno : 0;
}

int rpa_map_part(int map, size_t offset, size_t length, const void **memory)
{
	*memory = mmap(NULL, length, PROT_READ, MAP_SHARED, map, (off_t)offset);
	return *memory == MAP_FAILED ? -errno : 0;
}

size_t rpa_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int rpa_unmap(void *memory, size_t length)
{
	return result(munmap(memory, length));
}

int rpa_possible_cpus(void)
{
	return libbpf_num_possible_cpus();
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

/* Maps that are not named are not made: the program doesn't reach them. */
static int bind_maps(struct bpf_object *object, const struct rpa_map_binding *maps, size_t map_count)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
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

	bpf_object__for_each_map(map, object) {
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
		     const struct rpa_map_binding *maps, size_t map_count,
		     const void *constants, size_t constants_length,
		     char *log, size_t log_length)
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
	if (!error)
		error = bpf_object__load(object);
	if (!error)
		fd = result(fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3));
	bpf_object__close(object);
	return error ? error : fd;
}

int rpa_pin(int fd, const char *path)
{
	return bpf_obj_pin(fd, path);
}

int rpa_open_pin(const char *path)
{
	return bpf_obj_get(path);
}

int rpa_is_bpffs(const char *path)
{
	struct statfs facts;

	if (statfs(path, &facts))
		return -errno;
	return (unsigned long)facts.f_type == BPF_FS_MAGIC;
}

int rpa_mount_bpffs(const char *path)
{
	return result(mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"));
}

int rpa_attach_reuseport(int socket, int program)
{
	return result(setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program,
				 sizeof(program)));
}

int rpa_detach_reuseport(int socket)
{
	int unused = 0;

	return result(setsockopt(socket, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused,
				 sizeof(unused)));
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
