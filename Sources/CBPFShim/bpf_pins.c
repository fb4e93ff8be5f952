#define _GNU_SOURCE
#include "include/rpa_bpf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>

static int result(int value)
{
	return value < 0 ? -errno : value;
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
