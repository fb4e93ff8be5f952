/* Sockets of this network namespace, of any owner: sock_diag(7). Only
 * rpa_diag_destroy requires a privilege. */
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
	uint8_t ipv6_only; /* IPV6_V6ONLY in the states LISTEN and CLOSE, otherwise 0 */
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
	/* For a TCP session, if requested and if the kernel reports it (tcp_info), otherwise 0. */
	uint64_t received; /* bytes of payload */
	uint32_t rtt;      /* smoothed round-trip time, microseconds */
	uint32_t min_rtt;  /* minimum, microseconds; ~0: not measured */
	uint32_t silent;   /* since the last data from the peer or the handshake, milliseconds */
};

/* States of TCP as the kernel numbers them (include/net/tcp_states.h). */
enum rpa_tcp_state {
	RPA_TCP_ESTABLISHED = 1,
	RPA_TCP_SYN_RECV = 3, /* also a request: the SYN was answered, and nothing else came yet */
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
 * behind it. Returns END: no message is left. SOCKET: *socket is filled, with
 * protocol 0 if the kernel doesn't report it. DONE: the answer is complete. OTHER:
 * another message. Errors: the kernel's own; -EINTR: the answer is inconsistent
 * (NLM_F_DUMP_INTR); -EBADMSG: invalid lengths.
 */
int rpa_diag_read(const void *datagram, size_t length, size_t *offset, struct rpa_diag_socket *socket);

/* The details to ask for. */
enum {
	RPA_DIAG_MEMORY, /* drops */
	RPA_DIAG_TIMES,  /* received, rtt, min_rtt, silent; no drops */
};

/*
 * Lists all sockets of the family and protocol with that local port whose state
 * is in states (bits 1 << RPA_TCP_…) in *sockets, which the caller frees with
 * free(3); NULL for none. Returns their number. While sockets come and go, one can
 * be listed twice. -EINTR: see rpa_diag_read; try again. -ENOENT: the kernel has
 * no sock_diag for the family or the protocol.
 */
int rpa_diag_sockets(int family, int protocol, uint32_t states, uint16_t port, int what,
		     struct rpa_diag_socket **sockets);

/*
 * Aborts a TCP session: the peer receives a reset, the owner ECONNABORTED. A
 * request (SYN_RECV) is removed without a reset. -ENOENT: no session has these
 * addresses, ports and cookie. -EPERM: lacks CAP_NET_ADMIN. -EOPNOTSUPP: the
 * kernel lacks CONFIG_INET_DIAG_DESTROY, whether or not the session exists.
 */
int rpa_diag_destroy(const struct rpa_diag_socket *session);

/* The maximum number of ports to watch. */
#define RPA_DIAG_PORTS 256

/*
 * New fd, which never blocks, through which the kernel reports each UDP and TCP
 * socket that closes from now on, if its local port is one of ports; sockets with
 * a peer only if with_sessions. poll(2): POLLIN, and POLLERR after an overrun.
 */
int rpa_diag_events(const uint16_t *ports, size_t count, int with_sessions);

/* Changes the filter without losing events; queued events stay.
 * -E2BIG: more than RPA_DIAG_PORTS. */
int rpa_diag_watch(int events, const uint16_t *ports, size_t count, int with_sessions);

/*
 * 1: *closed has ended; inode, uid, queued and drops are not filled. 0: no event
 * is queued. -ENOBUFS: events were lost, and the queued ones were discarded: a
 * caller that lists the sockets from now on misses none.
 */
int rpa_diag_next(int events, struct rpa_diag_socket *closed);

#endif
