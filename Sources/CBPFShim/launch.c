#define _GNU_SOURCE
#include "include/rpa_launch.h"
#include "fork_exec.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const int not_taken[] = {
	SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU,
};

int rpa_take_signals(struct rpa_inherited_signals *inherited)
{
	void (*before)(int) = signal(SIGCHLD, SIG_DFL);
	sigset_t taken;
	int fd;

	sigfillset(&taken);
	for (size_t i = 0; i < sizeof(not_taken) / sizeof(not_taken[0]); i++)
		sigdelset(&taken, not_taken[i]);
	if (before == SIG_ERR || sigprocmask(SIG_BLOCK, &taken, &inherited->mask))
		return -errno;
	inherited->ignores_child = before == SIG_IGN;
	sigdelset(&taken, SIGPIPE);
	fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int rpa_next_taken(int signal_fd, struct rpa_signal *signal)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return errno == EAGAIN ? 0 : -errno;
	signal->number = (int32_t)info.ssi_signo;
	signal->sender = (int32_t)info.ssi_pid;
	signal->from_kernel = info.ssi_code == SI_KERNEL;
	return 1;
}

static int prepare(const void *context)
{
	const struct rpa_inherited_signals *inherited = context;

	if (inherited->ignores_child)
		signal(SIGCHLD, SIG_IGN);
	sigprocmask(SIG_SETMASK, &inherited->mask, NULL);
	return 0;
}

int rpa_launch(char *const argv[], const struct rpa_inherited_signals *inherited, int *refused)
{
	return fork_exec(argv, SIGTERM, prepare, inherited, refused);
}

int rpa_reap(int *status)
{
	pid_t pid = waitpid(-1, status, WNOHANG);

	return pid < 0 ? -errno : pid;
}

static void raise_unblocked(int number)
{
	sigset_t only, before;

	sigemptyset(&only);
	sigaddset(&only, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &only, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void rpa_die_by(int number)
{
	prctl(PR_SET_DUMPABLE, 0);
	signal(number, SIG_DFL);
	raise_unblocked(number);
}

void rpa_stop_by(int number)
{
	raise_unblocked(number);
}
