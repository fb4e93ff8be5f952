#define _GNU_SOURCE
#include "include/rpa_bpf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

/* The kernel's ENOTSUPP, if a map of that kind can't do it: libc has no such errno. */
#define KERNEL_ENOTSUPP 524

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
