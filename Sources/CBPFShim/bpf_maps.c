#define _GNU_SOURCE
#include "include/rpa_bpf.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "result.h"

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
	return kind == RPA_MAP_MMAPABLE_ARRAY ? BPF_F_MMAPABLE
	       : kind == RPA_MAP_PREFIXES     ? BPF_F_NO_PREALLOC
					      : 0;
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

/* Loads the BTF of struct rpa_exporter_allocator, which the kernel needs for its lock. Returns the BTF
 * object's fd, and stores the type ids of key and value. */
static int allocator_types(uint32_t *key, uint32_t *value)
{
	struct btf *btf = btf__new_empty();
	int word, lock, wide, all, error, fd;

	if (!btf)
		return -errno;
	word = btf__add_int(btf, "unsigned int", 4, 0);
	wide = btf__add_int(btf, "unsigned long long", 8, 0);
	lock = btf__add_struct(btf, "bpf_spin_lock", 4);
	error = btf__add_field(btf, "val", word, 0, 0);
	all = btf__add_struct(btf, "rpa_exporter_allocator", sizeof(struct rpa_exporter_allocator));
	if (!error)
		error = btf__add_field(btf, "lock", lock, 0, 0);
	if (!error)
		error = btf__add_field(btf, "used", word, 8 * offsetof(struct rpa_exporter_allocator, used),
				       0);
	if (!error)
		error = btf__add_field(btf, "evicted", wide,
				       8 * offsetof(struct rpa_exporter_allocator, evicted), 0);
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

int rpa_map_create(enum rpa_map_kind kind, const char *name, uint32_t value_size, uint32_t max_entries,
		   int template)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = map_flags(kind));

	int map, types = -1;

	if (kind == RPA_MAP_OF_SOCKARRAYS)
		options.inner_map_fd = (uint32_t) template;
	if (kind == RPA_MAP_ALLOCATOR) {
		types = allocator_types(&options.btf_key_type_id, &options.btf_value_type_id);
		if (types < 0)
			return types;
		options.btf_fd = (uint32_t)types;
	}
	/* With a memory limit, memory may be missing for a moment: the kernel frees the maps of a process
	 * that has just ended (`check` before `run`) in a work queue, which lags on a busy machine. */
	for (int tries = 0;; tries++) {
		map = bpf_map_create(map_type(kind), name, key_size(kind), value_size, max_entries, &options);
		if (map != -ENOMEM || tries == 20)
			break;
		usleep(50000);
	}
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

int rpa_mount_bpffs(const char *source, const char *path)
{
	return result(mount(source, path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"));
}
