#define _GNU_SOURCE
#include "include/rpa_child.h"
#include "fork_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

int rpa_memory_file(const void *bytes, size_t length)
{
	int error, fd = memfd_create("usage", MFD_CLOEXEC);
	size_t written = 0;

	if (fd < 0)
		return -errno;
	while (written < length) {
		ssize_t count = write(fd, (const char *)bytes + written, length - written);

		if (count > 0) {
			written += (size_t)count;
			continue;
		}
		if (count < 0 && errno == EINTR)
			continue;
		error = count < 0 ? -errno : -EIO;
		close(fd);
		return error;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

struct surroundings {
	int input, output;
	uint32_t open_files;
};

static int prepare(const void *context)
{
	const struct surroundings *wanted = context;
	struct sigaction action = {.sa_handler = SIG_DFL};
	struct rlimit limit;
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > wanted->open_files) {
		limit.rlim_cur = wanted->open_files;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Both are above 2: the agent has its own 0, 1 and 2. */
	if (setpgid(0, 0) || dup2(wanted->input, 0) < 0 || dup2(wanted->output, 1) < 0 ||
	    dup2(wanted->output, 2) < 0)
		return -errno;
	return 0;
}

int rpa_start_child(char *const argv[], int input, int output, uint32_t open_files)
{
	struct surroundings wanted = {.input = input, .output = output, .open_files = open_files};
	int refused;

	return fork_exec(argv, SIGKILL, prepare, &wanted, &refused);
}

int rpa_output_pipe(int *writer)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*writer = ends[1];
	return ends[0];
}

int rpa_event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int rpa_raise_event(int event)
{
	uint64_t one = 1;

	return write(event, &one, sizeof(one)) < 0 ? -errno : 0;
}
