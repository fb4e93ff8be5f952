/* Socket facts by descriptor, placeholders, listeners, and probes of a port. */
#ifndef RPA_SOCKET_H
#define RPA_SOCKET_H

#include <stdint.h>

struct rpa_endpoint {
	int32_t family;      /* AF_INET or AF_INET6 */
	uint16_t port;       /* host byte order */
	uint8_t address[16]; /* AF_INET uses the first four bytes */
};

struct rpa_socket_facts {
	int32_t domain;       /* AF_INET, AF_INET6, … (SO_DOMAIN) */
	int32_t type;         /* SOCK_DGRAM, SOCK_STREAM, … (SO_TYPE) */
	int32_t protocol;     /* IPPROTO_UDP, … (SO_PROTOCOL) */
	int32_t reuseport;    /* SO_REUSEPORT is set now */
	int32_t accepting;    /* it listens (SO_ACCEPTCONN) */
	int32_t ipv6_only;    /* IPV6_V6ONLY; 0 for AF_INET */
	int32_t interface;    /* index of the interface it is bound to, or 0 */
	int32_t incoming_cpu; /* SO_INCOMING_CPU; -1: not set */
	uint32_t user;        /* uid that made it, or that fchown(2) gave it to */
	uint16_t port;        /* local port, host byte order; 0: unbound */
	uint16_t peer_port;   /* 0: it has no peer */
	uint8_t address[16];  /* local address; AF_INET uses the first four bytes */
	uint8_t peer[16];
	uint64_t cookie; /* SO_COOKIE: unique per network namespace and boot */
	uint64_t netns;  /* SO_NETNS_COOKIE, or 0 before Linux 5.14 */
};

/* -EBADF: no open descriptor. -ENOTSOCK: not a socket. Only user and the
 * fields up to protocol are filled for a domain other than AF_INET and AF_INET6. */
int rpa_socket_inspect(int socket, struct rpa_socket_facts *facts);
/* SO_COOKIE alone, of any socket. */
int rpa_socket_cookie(int socket, uint64_t *cookie);
/* 1: the socket itself has joined the multicast group on the interface with this index, 0: it
 * hasn't, or -errno: -EOPNOTSUPP: an IPv4 socket and an IPv6 group. The port is of no interest. */
int rpa_socket_has_joined(int socket, struct rpa_endpoint group, int32_t interface);

/*
 * New fd of a UDP socket or a TCP listener that is bound to the address and port
 * with SO_REUSEPORT and belongs to the user, like a collector's socket. It keeps
 * the reuseport group and the attached program while no collector exists. -EPERM:
 * another user requires CAP_CHOWN. -EADDRINUSE: a socket of another user is bound.
 * interface: its name, or NULL. -ENODEV: there is none. -EPERM: Linux before 5.7 requires CAP_NET_RAW.
 */
int rpa_placeholder(struct rpa_endpoint endpoint, int protocol, int ipv6_only, const char *interface,
		    uint32_t user);

/*
 * New fd of a non-blocking TCP socket that is bound to the address and port with
 * SO_REUSEADDR and doesn't listen yet. `::` accepts IPv4, too. -EADDRINUSE: another
 * socket listens there. -EADDRNOTAVAIL: the host doesn't have the address.
 */
int rpa_tcp_bind(struct rpa_endpoint endpoint);

/* SO_NETNS_COOKIE of the calling thread's network namespace, 0 before 5.14. */
int rpa_netns_cookie(uint64_t *netns);

/* New fd of a non-blocking socket for probes, bound to the source. Port 0: the kernel chooses
 * one, and it is stored there. A connection that comes of it is reset by its close. interface:
 * its name, or NULL. */
int rpa_prober(int protocol, struct rpa_endpoint *source, const char *interface);

/* Sends an empty datagram or a SYN, and never waits. What comes of it shows in
 * poll(2): refused POLLERR, a connection POLLOUT. */
int rpa_send_probe(int prober, int protocol, struct rpa_endpoint target);

/* 1: what is sent to the endpoint's address from itself stays on this host, by the routes that
 * there are now (RTN_LOCAL), 0: it doesn't, or -errno: -ENETUNREACH: no way at all. interface: the
 * index of the interface that the sender is bound to, or 0. */
int rpa_is_local(struct rpa_endpoint endpoint, uint32_t interface);

/* 1: the interface with that index is a VRF or in one (IFLA_LINKINFO, rtnetlink(7)), 0: it isn't, or -errno. Of
 * this thread's network namespace, to which /sys may not belong. */
int rpa_is_in_vrf(uint32_t interface);

#endif
