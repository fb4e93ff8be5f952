#define _GNU_SOURCE
#include "include/rpa_socket.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#include "result.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

/* A socket address (ip(7), ipv6(7)). */
union socket_name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Returns the name's length. */
static socklen_t write_name(union socket_name *name, struct rpa_endpoint endpoint)
{
	memset(name, 0, sizeof(*name));
	if (endpoint.family == AF_INET) {
		name->v4.sin_family = AF_INET;
		name->v4.sin_port = htons(endpoint.port);
		memcpy(&name->v4.sin_addr, endpoint.address, 4);
		return sizeof(name->v4);
	}
	name->v6.sin6_family = AF_INET6;
	name->v6.sin6_port = htons(endpoint.port);
	memcpy(&name->v6.sin6_addr, endpoint.address, 16);
	return sizeof(name->v6);
}

static int option(int socket, int level, int name, int32_t *value)
{
	socklen_t length = sizeof(*value);

	return result(getsockopt(socket, level, name, value, &length));
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

	if (getsockname(socket, &name.any, &length))
		return -errno;
	read_name(&name, facts->domain, facts->address, &facts->port);
	length = sizeof(name);
	if (!getpeername(socket, &name.any, &length))
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
	if (option(socket, SOL_SOCKET, SO_INCOMING_CPU, &facts->incoming_cpu))
		facts->incoming_cpu = -1;
	if (facts->domain == AF_INET6 &&
	    (error = option(socket, IPPROTO_IPV6, IPV6_V6ONLY, &facts->ipv6_only)))
		return error;
	return addresses(socket, facts);
}

int rpa_socket_cookie(int socket, uint64_t *cookie)
{
	return option64(socket, SO_COOKIE, cookie);
}

int rpa_socket_has_joined(int socket, struct rpa_endpoint group, int32_t interface)
{
	struct group_filter filter = {.gf_interface = interface};
	socklen_t length = GROUP_FILTER_SIZE(0);
	int level = group.family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	union socket_name name;

	write_name(&name, group);
	memcpy(&filter.gf_group, &name, sizeof(name));
	/* The source filter of a membership: the kernel finds it only if this socket has the membership. */
	if (!getsockopt(socket, level, MCAST_MSFILTER, &filter, &length))
		return 1;
	return errno == EADDRNOTAVAIL ? 0 : -errno;
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

static int open_socket(struct rpa_endpoint endpoint, int protocol)
{
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;

	return result(socket(endpoint.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

/* reuse: SO_REUSEPORT or SO_REUSEADDR. */
static int bind_reusing(int reuse, int socket, struct rpa_endpoint endpoint, int ipv6_only)
{
	union socket_name name;
	socklen_t length = write_name(&name, endpoint);
	int error = set_option(socket, SOL_SOCKET, reuse, 1);

	if (!error && endpoint.family == AF_INET6)
		error = set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only);
	return error ? error : result(bind(socket, &name.any, length));
}

static int bind_to_interface(int socket, const char *interface)
{
	if (!interface)
		return 0;
	return result(
		setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)));
}

int rpa_placeholder(struct rpa_endpoint endpoint, int protocol, int ipv6_only, const char *interface,
		    uint32_t user)
{
	int error = 0, fd = open_socket(endpoint, protocol);

	if (fd < 0)
		return fd;
	/* Before bind: the kernel compares the users of a group's sockets there. */
	if (user != geteuid())
		error = result(fchown(fd, user, (gid_t)-1));
	/* The socket should receive nothing; what arrives by mistake must not take memory. */
	set_option(fd, SOL_SOCKET, SO_RCVBUF, 1);
	if (!error)
		error = bind_to_interface(fd, interface);
	if (!error)
		error = bind_reusing(SO_REUSEPORT, fd, endpoint, ipv6_only);
	if (!error && protocol == IPPROTO_TCP)
		error = result(listen(fd, 0));
	return fd_or(error, fd);
}

int rpa_tcp_bind(struct rpa_endpoint endpoint)
{
	int fd = open_socket(endpoint, IPPROTO_TCP);

	/* Not SO_REUSEPORT, so that no other process can join and take connections. */
	return fd < 0 ? fd : fd_or(bind_reusing(SO_REUSEADDR, fd, endpoint, 0), fd);
}

static int bind_prober(int socket, struct rpa_endpoint *source)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	union socket_name name;
	socklen_t length = write_name(&name, *source);

	if (setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    bind(socket, &name.any, length) || getsockname(socket, &name.any, &length))
		return -errno;
	read_name(&name, source->family, source->address, &source->port);
	return 0;
}

int rpa_prober(int protocol, struct rpa_endpoint *source, const char *interface)
{
	int error, fd = open_socket(*source, protocol);

	if (fd < 0)
		return fd;
	error = bind_to_interface(fd, interface);
	return fd_or(error ? error : bind_prober(fd, source), fd);
}

int rpa_send_probe(int prober, int protocol, struct rpa_endpoint target)
{
	union socket_name name;
	socklen_t length = write_name(&name, target);

	if (connect(prober, &name.any, length) && errno != EINPROGRESS && errno != ECONNREFUSED)
		return -errno;
	if (protocol == IPPROTO_UDP && send(prober, "", 0, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}
