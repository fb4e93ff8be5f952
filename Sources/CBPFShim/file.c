#define _GNU_SOURCE
#include "include/rpa_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int result(int value)
{
	return value < 0 ? -errno : value;
}

int rpa_make_folder(const char *path, uint32_t mode)
{
	return result(mkdir(path, mode));
}

int rpa_remove_file(const char *path)
{
	return result(unlink(path));
}

int rpa_remove_folder(const char *path)
{
	return result(rmdir(path));
}

int rpa_lock_folder(const char *path)
{
	int error, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int rpa_unlock_folder(int folder)
{
	return result(flock(folder, LOCK_UN));
}

uint64_t rpa_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
