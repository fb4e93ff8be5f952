/* Sockets of this network namespace, whoever owns them: sock_diag(7). Only
 * rpa_diag_destroy asks for a privilege. */
#ifndef RPA_DIAG_H
#define RPA_DIAG_H

#include <stddef.h>
#include <stdint.h>

/* Ports are in host byte order, addresses in network byte order; an IPv4 address
 * uses the first four bytes. */
struct rpa_diag_socket {
	uint8_t family;    /* AF_INET or AF_INET6 */
	uint8_t protocol;  /* IPPROTO_UDP or IPPROTO_TCP */
	uint8_t state;     /* RPA_TCP_…; UDP: ESTABLISHED with a peer, CLOSE without */
	uint8_t ipv6_only; /* IPV6_V6ONLY, told in the states LISTEN and CLOSE only, else 0 */
	uint16_t port;
	uint16_t peer_port;
	uint8_t address[16];
	uint8_t peer[16];
	uint32_t interface; /* index of the interface it is bound to, or 0 */
	uint32_t inode;     /* 0: no descriptor has it (not accepted yet, or closed) */
	uint32_t uid;
	uint32_t queued; /* UDP, TCP session: bytes not yet read. Listener: connections not yet accepted */
	uint32_t drops;  /* sk_drops: since the socket was made, wraps at 2^32 */
	uint64_t cookie; /* SO_COOKIE; a request has that of the session it becomes */
	/* Of a TCP session, where it was asked for and the kernel tells (tcp_info), else 0. */
	uint64_t received; /* bytes of payload */
	uint32_t rtt;      /* smoothed round-trip time, microseconds */
	uint32_t min_rtt;  /* the least that was measured, microseconds; ~0: none was */
};

/* States of TCP as the kernel numbers them (include/net/tcp_states.h). */
enum rpa_tcp_state {
	RPA_TCP_ESTABLISHED = 1,
	RPA_TCP_SYN_RECV = 3, /* also a request: a SYN that was answered, and nothing else is there yet */
	RPA_TCP_FIN_WAIT1 = 4,
	RPA_TCP_FIN_WAIT2 = 5,
	RPA_TCP_CLOSE = 7,
	RPA_TCP_CLOSE_WAIT = 8,
	RPA_TCP_LAST_ACK = 9,
	RPA_TCP_LISTEN = 10,
	RPA_TCP_CLOSING = 11,
};

/* The result of rpa_diag_read. */
enum { RPA_DIAG_END, RPA_DIAG_SOCKET, RPA_DIAG_OTHER, RPA_DIAG_DONE };

/*
 * Reads the message at *offset of a datagram of netlink(7), and moves *offset
 * behind it. END: the datagram has no more. SOCKET: it is in *socket, protocol 0
 * where the kernel doesn't say. DONE: the answer is complete. OTHER: none of
 * these. The kernel's own error; -EINTR: it says that the answer isn't
 * consistent (NLM_F_DUMP_INTR); -EBADMSG: lengths that can't be.
 */
int rpa_diag_read(const void *datagram, size_t length, size_t *offset, struct rpa_diag_socket *socket);

/* The details to ask for. */
enum {
	RPA_DIAG_MEMORY, /* drops */
	RPA_DIAG_TIMES,  /* received, rtt, min_rtt; no drops */
};

/*
 * All sockets of the family and protocol whose state is in states (bits 1 <<
 * RPA_TCP_…) and whose local port it is: *sockets, which free(3) takes, NULL for
 * none. Returns how many. While sockets come and go, one may be in it twice.
 * -EINTR: see rpa_diag_read; asking again helps. -ENOENT: the kernel has no
 * sock_diag for the family or the protocol.
 */
int rpa_diag_sockets(int family, int protocol, uint32_t states, uint16_t port, int what,
		     struct rpa_diag_socket **sockets);

/*
 * Aborts a TCP session: a reset for the peer, ECONNABORTED for its owner. A
 * request (SYN_RECV) is forgotten without a reset. -ENOENT: there is none of
 * these addresses, ports and cookie. -EPERM: lacks CAP_NET_ADMIN. -EOPNOTSUPP:
 * a kernel without CONFIG_INET_DIAG_DESTROY, whether there is one or not.
 */
int rpa_diag_destroy(const struct rpa_diag_socket *session);

/* The maximum number of ports to watch. */
#define RPA_DIAG_PORTS 256

/*
 * New fd, which never blocks, through which the kernel reports each UDP and TCP
 * socket with one of these local ports that closes from now on; sockets with a
 * peer only if with_sessions. poll(2): POLLIN, and POLLERR after an overrun.
 */
int rpa_diag_events(const uint16_t *ports, size_t count, int with_sessions);

/* Changes the filter without losing events; queued events stay.
 * -E2BIG: more than RPA_DIAG_PORTS. */
int rpa_diag_watch(int events, const uint16_t *ports, size_t count, int with_sessions);

/*
 * 1: *closed has ended; inode, uid, queued and drops are not told. 0: nothing
 * waits. -ENOBUFS: some were lost, and all that waited was thrown away, so that
 * whoever looks at the sockets from here on misses none.
 */
int rpa_diag_next(int events, struct rpa_diag_socket *closed);

#endif
