#include "include/rpa_bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "result.h"

/* The kernel's ENOTSUPP, if a map of that kind can't do it: libc has no such errno. */
#define KERNEL_ENOTSUPP 524

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

int rpa_unmap(void *memory, size_t length)
{
	return result(munmap(memory, length));
}

int rpa_possible_cpus(void)
{
	return libbpf_num_possible_cpus();
}

int rpa_session_lookup(int map, const struct rpa_session *session, struct rpa_session_start *start)
{
	return bpf_map_lookup_elem(map, session, start);
}

int rpa_session_update(int map, const struct rpa_session *session, const struct rpa_session_start *start)
{
	return bpf_map_update_elem(map, session, start, BPF_ANY);
}

int rpa_session_all(int map, struct rpa_session **sessions, struct rpa_session_start **starts)
{
	uint32_t next, found = RPA_SESSIONS;
	int error;

	/* Only pages that are written take memory. */
	*sessions = malloc(found * sizeof(**sessions));
	*starts = malloc(found * sizeof(**starts));
	error = !*sessions || !*starts
			? -ENOMEM
			: bpf_map_lookup_batch(map, NULL, &next, *sessions, *starts, &found, NULL);
	if (!error || error == -ENOENT)
		return (int)found;
	free(*sessions);
	free(*starts);
	*sessions = NULL;
	*starts = NULL;
	return error;
}

int rpa_session_delete(int map, const struct rpa_session *session, uint64_t until)
{
	struct rpa_session_start start;
	int error = bpf_map_lookup_and_delete_elem(map, session, &start);

	if (!error && start.time > until)
		return bpf_map_update_elem(map, session, &start, BPF_NOEXIST);
	/* Before Linux 5.14. */
	if (error != -KERNEL_ENOTSUPP && error != -EINVAL)
		return error;
	error = bpf_map_lookup_elem(map, session, &start);
	return error || start.time > until ? error : bpf_map_delete_elem(map, session);
}
