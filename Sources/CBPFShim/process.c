#define _GNU_SOURCE
#include "include/rpa_process.h"

#include <errno.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int result(long value)
{
	return value < 0 ? -errno : (int)value;
}

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

int rpa_next_signal(int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) == sizeof(info))
		return (int)info.ssi_signo;
	return errno == EAGAIN ? 0 : -errno;
}

int rpa_notify(const char *address, const char *state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	size_t length = strlen(address);
	int error = 0, fd;

	if (length == 0 || length >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	memcpy(name.sun_path, address, length);
	if (address[0] == '@')
		name.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&name,
		   offsetof(struct sockaddr_un, sun_path) + length) < 0)
		error = -errno;
	close(fd);
	return error;
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
