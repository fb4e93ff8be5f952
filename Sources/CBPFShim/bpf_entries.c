#define _GNU_SOURCE
#include "include/rpa_bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int result(int value)
{
	return value < 0 ? -errno : value;
}

int rpa_map_lookup(int map, uint32_t index, void *value)
{
	return bpf_map_lookup_elem(map, &index, value);
}

int rpa_map_lookup_all(int map, uint32_t count, size_t stride, void *values)
{
	uint32_t *keys = calloc(count, sizeof(*keys));
	uint32_t next, found = count;
	int error = -ENOMEM;

	if (!keys)
		return error;
	/* Without it: per-CPU arrays before Linux 5.13, and some kinds of maps. */
	error = bpf_map_lookup_batch(map, NULL, &next, keys, values, &found, NULL);
	if (error || found != count) {
		error = 0;
		for (uint32_t index = 0; !error && index < count; index++)
			error = bpf_map_lookup_elem(map, &index, (char *)values + index * stride);
	}
	free(keys);
	return error;
}

int rpa_map_update(int map, uint32_t index, const void *value)
{
	return bpf_map_update_elem(map, &index, value, BPF_ANY);
}

int rpa_map_delete(int map, uint32_t index)
{
	return bpf_map_delete_elem(map, &index);
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
