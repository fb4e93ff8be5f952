#define _GNU_SOURCE
#include "fork_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(char *const argv[], int error, int report)
{
	if (!error) {
		execvp(argv[0], argv);
		error = -errno;
	}
	if (write(report, &error, sizeof(error)) != sizeof(error))
		_exit(126);
	_exit(127);
}

pid_t fork_exec(char *const argv[], int death_signal, prepare_child *prepare, const void *context,
		int *refused)
{
	pid_t parent = getpid(), pid;
	int ends[2], error = 0;
	ssize_t length;

	*refused = 0;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, death_signal);
		/* It may have died before that. */
		if (getppid() != parent)
			_exit(128 + death_signal);
		become(argv, prepare(context), ends[1]);
	}
	if (pid < 0)
		error = -errno;
	close(ends[1]);
	/* The end of the pipe: it was closed by the exec, or never had a child. */
	do
		length = read(ends[0], &error, sizeof(error));
	while (length < 0 && errno == EINTR);
	close(ends[0]);
	if (pid < 0)
		return error;
	if (length != sizeof(error))
		return pid;
	waitpid(pid, NULL, 0);
	*refused = 1;
	return error;
}
