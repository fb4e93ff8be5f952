#define _GNU_SOURCE
#include "include/rpa_socket.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket_name.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

static int option(int socket, int level, int name, int32_t *value)
{
	socklen_t length = sizeof(*value);

	return getsockopt(socket, level, name, value, &length) ? -errno : 0;
}

/* An option that the kernel doesn't know leaves 0 behind. */
static int option64(int socket, int name, uint64_t *value)
{
	socklen_t length = sizeof(*value);

	*value = 0;
	if (!getsockopt(socket, SOL_SOCKET, name, value, &length) || errno == ENOPROTOOPT)
		return 0;
	return -errno;
}

static void read_name(const union socket_name *name, int domain, uint8_t address[16], uint16_t *port)
{
	if (domain == AF_INET) {
		*port = ntohs(name->v4.sin_port);
		memcpy(address, &name->v4.sin_addr, 4);
	} else {
		*port = ntohs(name->v6.sin6_port);
		memcpy(address, &name->v6.sin6_addr, 16);
	}
}

static int addresses(int socket, struct rpa_socket_facts *facts)
{
	union socket_name name = {};
	socklen_t length = sizeof(name);

	if (getsockname(socket, (struct sockaddr *)&name, &length))
		return -errno;
	read_name(&name, facts->domain, facts->address, &facts->port);
	length = sizeof(name);
	if (!getpeername(socket, (struct sockaddr *)&name, &length))
		read_name(&name, facts->domain, facts->peer, &facts->peer_port);
	return 0;
}

int rpa_socket_inspect(int socket, struct rpa_socket_facts *facts)
{
	struct stat file;
	int error;

	memset(facts, 0, sizeof(*facts));
	if (fstat(socket, &file))
		return -errno;
	facts->user = file.st_uid;
	if ((error = option(socket, SOL_SOCKET, SO_DOMAIN, &facts->domain)) ||
	    (error = option(socket, SOL_SOCKET, SO_TYPE, &facts->type)) ||
	    (error = option(socket, SOL_SOCKET, SO_PROTOCOL, &facts->protocol)))
		return error;
	if (facts->domain != AF_INET && facts->domain != AF_INET6)
		return 0;
	if ((error = option(socket, SOL_SOCKET, SO_REUSEPORT, &facts->reuseport)) ||
	    (error = option(socket, SOL_SOCKET, SO_ACCEPTCONN, &facts->accepting)) ||
	    (error = option64(socket, SO_COOKIE, &facts->cookie)) ||
	    (error = option64(socket, SO_NETNS_COOKIE, &facts->netns)))
		return error;
	/* Linux 5.1 or later; on older kernels assume 0, the common case. */
	option(socket, SOL_SOCKET, SO_BINDTOIFINDEX, &facts->interface);
	if (facts->domain == AF_INET6 &&
	    (error = option(socket, IPPROTO_IPV6, IPV6_V6ONLY, &facts->ipv6_only)))
		return error;
	return addresses(socket, facts);
}

int rpa_socket_cookie(int socket, uint64_t *cookie)
{
	return option64(socket, SO_COOKIE, cookie);
}

int rpa_netns_cookie(uint64_t *netns)
{
	int error, probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (probe < 0)
		return -errno;
	error = option64(probe, SO_NETNS_COOKIE, netns);
	close(probe);
	return error;
}

static int bind_placeholder(int socket, int family, const uint8_t address[16], uint16_t port, int ipv6_only)
{
	union socket_name name;
	socklen_t length = write_name(&name, family, address, port);
	int on = 1, small = 1;

	/* The socket should receive nothing; what arrives by mistake must not take memory. */
	setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    (family == AF_INET6 &&
	     setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &ipv6_only, sizeof(ipv6_only))) ||
	    bind(socket, (struct sockaddr *)&name, length))
		return -errno;
	return 0;
}

int rpa_placeholder(int family, int protocol, const uint8_t address[16], uint16_t port, int ipv6_only,
		    uint32_t user)
{
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	int error = 0;

	if (fd < 0)
		return -errno;
	/* Before bind: the kernel compares the users of a group's sockets there. */
	if (user != geteuid() && fchown(fd, user, (gid_t)-1))
		error = -errno;
	if (!error)
		error = bind_placeholder(fd, family, address, port, ipv6_only);
	if (!error && protocol == IPPROTO_TCP && listen(fd, 0))
		error = -errno;
	if (!error)
		return fd;
	close(fd);
	return error;
}

int rpa_tcp_bind(int family, const uint8_t address[16], uint16_t port)
{
	union socket_name name;
	socklen_t length = write_name(&name, family, address, port);
	int on = 1, off = 0, error;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	/* Not SO_REUSEPORT, so that no other process can join and take connections. */
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    (family != AF_INET6 || !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off))) &&
	    !bind(fd, (struct sockaddr *)&name, length))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int rpa_listen(int socket, int backlog)
{
	return listen(socket, backlog) ? -errno : 0;
}
