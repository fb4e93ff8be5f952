/* Socket facts by descriptor, placeholders and listeners. */
#ifndef RPA_SOCKET_H
#define RPA_SOCKET_H

#include <stdint.h>

struct rpa_socket_facts {
	int32_t domain;      /* AF_INET, AF_INET6, … (SO_DOMAIN) */
	int32_t type;        /* SOCK_DGRAM, SOCK_STREAM, … (SO_TYPE) */
	int32_t protocol;    /* IPPROTO_UDP, … (SO_PROTOCOL) */
	int32_t reuseport;   /* SO_REUSEPORT is set now */
	int32_t accepting;   /* it listens (SO_ACCEPTCONN) */
	int32_t ipv6_only;   /* IPV6_V6ONLY; 0 for AF_INET */
	int32_t interface;   /* index of the interface it is bound to, or 0 */
	uint32_t user;       /* uid that made it, or that fchown(2) gave it to */
	uint16_t port;       /* local port, host byte order; 0: unbound */
	uint16_t peer_port;  /* 0: it has no peer */
	uint8_t address[16]; /* local address; AF_INET uses the first four bytes */
	uint8_t peer[16];
	uint64_t cookie; /* SO_COOKIE: unique per network namespace and boot */
	uint64_t netns;  /* SO_NETNS_COOKIE, or 0 before Linux 5.14 */
};

/* -EBADF: no open descriptor. -ENOTSOCK: not a socket. Only user and the
 * fields up to protocol are filled for a domain other than AF_INET and AF_INET6. */
int rpa_socket_inspect(int socket, struct rpa_socket_facts *facts);
/* SO_COOKIE alone, of any socket. */
int rpa_socket_cookie(int socket, uint64_t *cookie);

/*
 * New fd of a UDP socket or a TCP listener that is bound to the address and port
 * with SO_REUSEPORT and belongs to the user, like a collector's socket. It keeps
 * the reuseport group and the attached program while no collector exists. -EPERM:
 * another user requires CAP_CHOWN. -EADDRINUSE: a socket of another user is bound.
 */
int rpa_placeholder(int family, int protocol, const uint8_t address[16], uint16_t port, int ipv6_only,
		    uint32_t user);

/*
 * New fd of a non-blocking TCP socket that is bound to the address and port with
 * SO_REUSEADDR and doesn't listen yet. `::` accepts IPv4, too. -EADDRINUSE: another
 * socket listens there. -EADDRNOTAVAIL: the host doesn't have the address.
 */
int rpa_tcp_bind(int family, const uint8_t address[16], uint16_t port);

int rpa_listen(int socket, int backlog);

/* SO_NETNS_COOKIE of the calling thread's network namespace, 0 before 5.14. */
int rpa_netns_cookie(uint64_t *netns);

#endif
