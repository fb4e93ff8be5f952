/* The convention of CBPFShim: 0 or a positive result, or -errno. */
#ifndef RESULT_H
#define RESULT_H

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* The result of a system call, which is negative if errno says why. */
static inline int result(long value)
{
	return value < 0 ? -errno : (int)value;
}

/* The descriptor; if there is an error, closes the descriptor and returns the error. */
static inline int fd_or(int error, int fd)
{
	if (!error)
		return fd;
	close(fd);
	return error;
}

static inline int set_option(int socket, int level, int name, int value)
{
	return result(setsockopt(socket, level, name, &value, sizeof(value)));
}

#endif
