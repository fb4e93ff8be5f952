#include "include/rpa_prober.h"

#include <errno.h>
#include <unistd.h>

#include "socket_name.h"

static int bind_prober(int socket, int family, const uint8_t source[16], uint16_t *port)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	union socket_name name;
	socklen_t length = write_name(&name, family, source, *port);

	if (setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    bind(socket, (struct sockaddr *)&name, length) ||
	    getsockname(socket, (struct sockaddr *)&name, &length))
		return -errno;
	*port = ntohs(family == AF_INET ? name.v4.sin_port : name.v6.sin6_port);
	return 0;
}

int rpa_prober(int family, int protocol, const uint8_t source[16], uint16_t *port)
{
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	int error;

	if (fd < 0)
		return -errno;
	error = bind_prober(fd, family, source, port);
	if (!error)
		return fd;
	close(fd);
	return error;
}

int rpa_send_probe(int prober, int family, int protocol, const uint8_t target[16], uint16_t port)
{
	union socket_name name;
	socklen_t length = write_name(&name, family, target, port);

	if (connect(prober, (struct sockaddr *)&name, length) && errno != EINPROGRESS &&
	    errno != ECONNREFUSED)
		return -errno;
	if (protocol == IPPROTO_UDP && send(prober, "", 0, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}
