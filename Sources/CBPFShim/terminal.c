#define _GNU_SOURCE
#include "include/rpa_terminal.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "result.h"

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static struct {
	int fd;
	const char *leave;
	struct termios settings;
	struct sigaction before[FAULTS];
} taken = {.fd = -1};

int rpa_window_size(int terminal, uint16_t *lines, uint16_t *columns)
{
	struct winsize size;

	if (ioctl(terminal, TIOCGWINSZ, &size))
		return -errno;
	*lines = size.ws_row;
	*columns = size.ws_col;
	return 0;
}

/* Gives up if the terminal takes nothing for 200 ms. */
static void write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		struct pollfd wait = {.fd = fd, .events = POLLOUT};
		ssize_t written;

		if (poll(&wait, 1, 200) <= 0)
			return;
		written = write(fd, text, left);
		if (written < 0)
			return;
		text += written;
		left -= (size_t)written;
	}
}

static void restore(void)
{
	int fd = taken.fd;

	taken.fd = -1;
	if (fd < 0)
		return;
	/* Output stopped by Ctrl-S would block the rest; it resumes only after a stop of
	 * our own (tcflow(3)). */
	tcflow(fd, TCOOFF);
	tcflow(fd, TCOON);
	write_all(fd, taken.leave);
	tcsetattr(fd, TCSANOW, &taken.settings);
}

static void on_fault(int number)
{
	restore();
	/* The handler is reset (SA_RESETHAND): it ends as it would have. */
	raise(number);
}

int rpa_terminal_enter(int terminal, const char *enter, const char *leave)
{
	struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_RESETHAND | SA_NODEFER};
	struct termios settings;

	if (taken.fd >= 0)
		return -EBUSY;
	if (tcgetattr(terminal, &taken.settings))
		return -errno;
	settings = taken.settings;
	settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	settings.c_cc[VMIN] = 1;
	settings.c_cc[VTIME] = 0;
	if (tcsetattr(terminal, TCSANOW, &settings))
		return -errno;
	taken.fd = terminal;
	taken.leave = leave;
	for (size_t i = 0; i < FAULTS; i++)
		sigaction(faults[i], &action, &taken.before[i]);
	write_all(terminal, enter);
	return 0;
}

void rpa_terminal_leave(void)
{
	if (taken.fd < 0)
		return;
	restore();
	for (size_t i = 0; i < FAULTS; i++)
		sigaction(faults[i], &taken.before[i], NULL);
}

int rpa_open_again(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return result(open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

ssize_t rpa_write_now(int fd, const void *bytes, size_t length)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	ssize_t written = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (written >= 0)
		return written;
	if (errno != ENOTSOCK)
		return -errno;
	/* A pipe that is ready for writing takes PIPE_BUF bytes without blocking. */
	if (poll(&room, 1, 0) < 0)
		return -errno;
	if (!room.revents)
		return -EAGAIN;
	written = write(fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
	return written < 0 ? -errno : written;
}
