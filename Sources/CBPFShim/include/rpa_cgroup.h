/* Programs on cgroups of version 2. */
#ifndef RPA_CGROUP_H
#define RPA_CGROUP_H

#include <stdint.h>

#include "meter_layout.h"

/* 1 if the folder is a cgroup of version 2, with the kernel's number for it in *id;
 * 0 if it is something else, or -errno. */
int rpa_cgroup_id(const char *path, uint64_t *id);

/* Attaches the program to the cgroup, beside others and for all below it; new fd of a
 * link, that keeps it so as long as it is open or pinned. -EINVAL, -EPERM: lacks
 * CAP_NET_ADMIN. */
int rpa_attach_cgroup(const char *path, int program, int is_egress);

/* Puts the program in the place of the link's: each packet meets one of them. */
int rpa_update_link(int link, int program);

/* Takes the link's program off its cgroup, whoever else has the link: when it returns,
 * no further packet meets it. */
int rpa_detach_link(int link);

/* The cgroup that the link is attached to; 0: it was removed. */
int rpa_link_cgroup(int link, uint64_t *id);

int rpa_prefix_add(int map, const struct rpa_prefix *prefix);
int rpa_prefix_remove(int map, const struct rpa_prefix *prefix);
/* *prefix becomes the one after it, or the first where *is_first is not 0, which is
 * set to 0. -ENOENT: there is none. */
int rpa_prefix_next(int map, struct rpa_prefix *prefix, int *is_first);

#endif
