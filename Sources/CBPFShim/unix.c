#define _GNU_SOURCE
#include "include/rpa_unix.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "result.h"

static int fill(struct sockaddr_un *name, const char *path)
{
	size_t length = strlen(path);

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	if (length == 0 || length >= sizeof(name->sun_path))
		return -ENAMETOOLONG;
	memcpy(name->sun_path, path, length);
	return 0;
}

/* New fd of a socket for that path, which becomes the name. */
static int open_for(const char *path, int type, struct sockaddr_un *name)
{
	int error = fill(name, path);

	return error ? error : result(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

int rpa_unix_listen(const char *path, uint32_t mode)
{
	struct sockaddr_un name;
	int error, fd = open_for(path, SOCK_STREAM | SOCK_NONBLOCK, &name);

	if (fd < 0)
		return fd;
	/* The file takes the socket inode's mode (less the umask): nobody can
	 * connect in a moment between bind and a chmod of the file. */
	if (fchmod(fd, mode & 0600) || bind(fd, (struct sockaddr *)&name, sizeof(name)))
		return fd_or(-errno, fd);
	if (chmod(path, mode) || listen(fd, SOMAXCONN)) {
		error = -errno;
		unlink(path);
		return fd_or(error, fd);
	}
	return fd;
}

int rpa_unix_connect(const char *path, uint32_t timeout_ms)
{
	struct timeval timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};
	struct sockaddr_un name;
	int fd = open_for(path, SOCK_STREAM, &name);

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    connect(fd, (struct sockaddr *)&name, sizeof(name)))
		return fd_or(-errno, fd);
	return fd;
}

int rpa_accept(int listener)
{
	return result(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

/* The descriptors that go with a message, as the kernel has them. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * RPA_MAX_PASSED)];
};

ssize_t rpa_send(int socket, const void *bytes, size_t length, const int *fds, size_t fd_count)
{
	union control control;
	struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (fd_count > RPA_MAX_PASSED)
		return -E2BIG;
	if (fd_count) {
		struct cmsghdr *header;

		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

ssize_t rpa_receive(int socket, void *bytes, size_t length, int *fds, size_t *fd_count, int *truncated)
{
	union control control;
	struct iovec part = {.iov_base = bytes, .iov_len = length};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	ssize_t received;

	*fd_count = 0;
	*truncated = 0;
	do
		received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	*truncated = (message.msg_flags & MSG_CTRUNC) != 0;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		size_t size = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + *fd_count, CMSG_DATA(header), size);
		*fd_count += size / sizeof(int);
	}
	return received;
}

ssize_t rpa_receive_bytes(int socket, void *bytes, size_t length)
{
	ssize_t received;

	do
		received = recv(socket, bytes, length, 0);
	while (received < 0 && errno == EINTR);
	return received < 0 ? -errno : received;
}

int rpa_peer(int socket, struct rpa_peer *peer)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length))
		return -errno;
	peer->pid = credentials.pid;
	peer->uid = credentials.uid;
	peer->gid = credentials.gid;
	return 0;
}

int rpa_datagram_socket(void)
{
	return result(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

int rpa_send_datagram(int socket, const char *path, const void *bytes, size_t length)
{
	struct sockaddr_un name;
	int error = fill(&name, path);

	if (!error && sendto(socket, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&name,
			     sizeof(name)) < 0)
		error = -errno;
	return error;
}

int rpa_notify(const char *address, const char *state)
{
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address));
	struct sockaddr_un name;
	int error = 0, fd = open_for(address, SOCK_DGRAM, &name);

	if (fd < 0)
		return fd;
	if (address[0] == '@')
		name.sun_path[0] = '\0';
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&name, length) < 0)
		error = -errno;
	close(fd);
	return error;
}
