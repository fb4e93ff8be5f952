/* Programs on cgroups of version 2. */
#ifndef RPA_CGROUP_H
#define RPA_CGROUP_H

#include <stdint.h>

#include "meter_layout.h"

/* 1 if the folder is a cgroup of version 2, with its id in *id; 0 if it is something else,
 * or -errno. */
int rpa_cgroup_id(const char *path, uint64_t *id);

/* Attaches the program to the cgroup and all cgroups below it, beside other programs. Returns
 * a new fd of a link, which keeps it attached while open or pinned. -EINVAL, -EPERM: lacks
 * CAP_NET_ADMIN. */
int rpa_attach_cgroup(const char *path, int program, int is_egress);

/* Replaces the link's program; each packet runs one of the two. */
int rpa_update_link(int link, int program);

/* Detaches the link's program, even if another process has the link. After the call, no
 * further packet runs it. */
int rpa_detach_link(int link);

/* The id of the link's cgroup; 0 if the cgroup was removed. */
int rpa_link_cgroup(int link, uint64_t *id);

int rpa_prefix_add(int map, const struct rpa_prefix *prefix);
int rpa_prefix_remove(int map, const struct rpa_prefix *prefix);
/* Sets *prefix to the next prefix, or to the first if *is_first is not 0, and clears
 * *is_first. -ENOENT: there is none. */
int rpa_prefix_next(int map, struct rpa_prefix *prefix, int *is_first);

#endif
