#define _GNU_SOURCE
#include "include/rpa_cgroup.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "result.h"

int rpa_cgroup_id(const char *path, uint64_t *id)
{
	struct statfs system;
	struct stat facts;

	if (statfs(path, &system) || stat(path, &facts))
		return -errno;
	if ((unsigned long)system.f_type != CGROUP2_SUPER_MAGIC || !S_ISDIR(facts.st_mode))
		return 0;
	*id = facts.st_ino;
	return 1;
}

int rpa_attach_cgroup(const char *path, int program, int is_egress)
{
	int link, cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroup < 0)
		return -errno;
	link = bpf_link_create(program, cgroup, is_egress ? BPF_CGROUP_INET_EGRESS : BPF_CGROUP_INET_INGRESS,
			       NULL);
	close(cgroup);
	return link;
}

int rpa_update_link(int link, int program)
{
	return bpf_link_update(link, program, NULL);
}

int rpa_detach_link(int link)
{
	return bpf_link_detach(link);
}

int rpa_link_cgroup(int link, uint64_t *id)
{
	struct bpf_link_info info = {};
	uint32_t length = sizeof(info);
	int error = bpf_obj_get_info_by_fd(link, &info, &length);

	*id = info.cgroup.cgroup_id;
	return error;
}

int rpa_prefix_add(int map, const struct rpa_prefix *prefix)
{
	uint32_t there = 1;

	return bpf_map_update_elem(map, prefix, &there, BPF_ANY);
}

int rpa_prefix_remove(int map, const struct rpa_prefix *prefix)
{
	return bpf_map_delete_elem(map, prefix);
}

int rpa_prefix_next(int map, struct rpa_prefix *prefix, int *is_first)
{
	struct rpa_prefix before = *prefix;
	int error = bpf_map_get_next_key(map, *is_first ? NULL : &before, prefix);

	*is_first = 0;
	return error;
}
