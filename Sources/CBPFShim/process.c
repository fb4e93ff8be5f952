#define _GNU_SOURCE
#include "include/rpa_process.h"

#include <linux/capability.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "result.h"

int rpa_pidfd_open(int32_t pid)
{
	return result(syscall(SYS_pidfd_open, pid, 0));
}

int rpa_pidfd_getfd(int pidfd, int number)
{
	return result(syscall(SYS_pidfd_getfd, pidfd, number, 0));
}

int rpa_pidfd_signal(int pidfd, int signal)
{
	return result(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int rpa_signal_fd(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	return result(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

static const int not_taken[] = {
	SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU,
};

int rpa_take_signals(struct rpa_inherited_signals *inherited)
{
	void (*before)(int) = signal(SIGCHLD, SIG_DFL);
	sigset_t taken;

	sigfillset(&taken);
	for (size_t i = 0; i < sizeof(not_taken) / sizeof(not_taken[0]); i++)
		sigdelset(&taken, not_taken[i]);
	if (before == SIG_ERR || sigprocmask(SIG_BLOCK, &taken, &inherited->mask))
		return -errno;
	inherited->ignores_child = before == SIG_IGN;
	sigdelset(&taken, SIGPIPE);
	return result(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
}

int rpa_next_signal(int signal_fd, struct rpa_signal *signal)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return errno == EAGAIN ? 0 : -errno;
	signal->number = (int32_t)info.ssi_signo;
	signal->sender = (int32_t)info.ssi_pid;
	signal->from_kernel = info.ssi_code == SI_KERNEL;
	return 1;
}

void rpa_raise(int number)
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
	rpa_raise(number);
}

int rpa_has_capability(int number)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data))
		return -errno;
	return data[number / 32].effective >> (number % 32) & 1;
}

void rpa_trim_memory(void)
{
	malloc_trim(0);
}

/* The linker's own names for where the program begins and where its code ends
 * (end(3)): of a file, read-only, and so never different from it. */
extern const char __executable_start, etext;

void rpa_release_code(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)&__executable_start, end = (uintptr_t)&etext & ~(page - 1);

	/* A failure to release memory does no harm. */
	if (begin % page == 0 && begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
}

uint64_t rpa_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
