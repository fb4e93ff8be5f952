/* Queues and drops of all sockets on a port: sock_diag(7), unprivileged. */
#ifndef RPA_DIAG_H
#define RPA_DIAG_H

#include <stddef.h>
#include <stdint.h>

struct rpa_diag_socket {
	uint64_t cookie;
	uint32_t inode;
	uint32_t uid;
	uint32_t queued; /* UDP: bytes not yet read. Listener: connections not yet accepted */
	uint32_t drops;  /* sk_drops: since the socket was made, wraps at 2^32 */
};

/*
 * Fills sockets with those of the family and protocol whose local port it is:
 * UDP sockets of any state, TCP sockets that listen. Returns how many there
 * are, which may be more than capacity.
 */
int rpa_diag_sockets(int family, int protocol, uint16_t port, struct rpa_diag_socket *sockets,
		     size_t capacity);

#endif
