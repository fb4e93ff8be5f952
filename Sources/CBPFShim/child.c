#define _GNU_SOURCE
#include "include/rpa_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

static void become(char *const argv[], int input, int output, uint32_t open_files, pid_t parent, int report)
{
	struct rlimit limit;
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;
	int error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(128 + SIGKILL);
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > open_files) {
		limit.rlim_cur = open_files;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* All three are above 2: the agent has its own 0, 1 and 2. */
	if (!setpgid(0, 0) && dup2(input, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0)
		execvp(argv[0], argv);
	error = errno;
	if (write(report, &error, sizeof(error)) != sizeof(error))
		_exit(126);
	_exit(127);
}

int rpa_start_child(char *const argv[], int input, int output, uint32_t open_files)
{
	pid_t parent = getpid(), pid;
	int ends[2], error = 0;
	ssize_t length;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0)
		error = errno;
	if (pid == 0)
		become(argv, input, output, open_files, parent, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -error;
	}
	/* The end of the pipe: it was closed by the exec. */
	do
		length = read(ends[0], &error, sizeof(error));
	while (length < 0 && errno == EINTR);
	close(ends[0]);
	if (length != sizeof(error))
		return pid;
	waitpid(pid, NULL, 0);
	return -error;
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
