#define _GNU_SOURCE
#include "include/lab_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

int lab_set_window_size(int terminal, uint16_t lines, uint16_t columns)
{
	struct winsize size = {.ws_row = lines, .ws_col = columns};

	return ioctl(terminal, TIOCSWINSZ, &size) ? -errno : 0;
}

int lab_pseudo_terminal(int *inner)
{
	int outer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), error;

	if (outer < 0)
		return -errno;
	if (!unlockpt(outer)) {
		*inner = ioctl(outer, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (*inner >= 0)
			return outer;
	}
	error = errno;
	close(outer);
	return -error;
}
