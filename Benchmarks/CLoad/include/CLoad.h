/* System calls that Swift doesn't import: for many messages at once, and epoll. */
#ifndef CLOAD_H
#define CLOAD_H

#include <stdint.h>

enum { LOAD_BATCH = 64 };

/*
 * Sends count (at most LOAD_BATCH) datagrams to 127.0.0.1:port, each of length bytes of
 * the payload in turn, and each from its own IPv4 address (host byte order, IP_PKTINFO).
 * Returns the number of sent datagrams, or -errno.
 */
int load_send(int socket, uint16_t port, void *payload, uint32_t length, const uint32_t *sources,
	      uint32_t count);

/*
 * Waits for a datagram and receives the waiting ones, at most LOAD_BATCH, each into its own
 * room bytes of the buffer. Returns their number, and their lengths, or -errno.
 */
int load_receive(int socket, void *buffer, uint32_t room, uint32_t lengths[LOAD_BATCH]);

/* New epoll descriptor, or -errno. */
int load_events(void);
int load_watch(int events, int descriptor);

/* Waits until descriptors (at most LOAD_BATCH) are readable. Returns their number, or -errno. */
int load_wait(int events, int ready[LOAD_BATCH]);

/* Accepts a connection, non-blocking; or -errno. */
int load_accept(int listener);

#endif
