/* The system calls of the load that Swift doesn't see: of many messages at once, and epoll. */
#ifndef CLOAD_H
#define CLOAD_H

#include <stdint.h>

enum { LOAD_BATCH = 64 };

/*
 * Sends count (at most LOAD_BATCH) datagrams to 127.0.0.1:port, each of length bytes of
 * the payload in turn, and each from its own IPv4 address (host byte order, IP_PKTINFO).
 * Returns how many were sent, or -errno.
 */
int load_send(int socket, uint16_t port, void *payload, uint32_t length, const uint32_t *sources,
	      uint32_t count);

/*
 * Waits for a datagram and takes what there is, at most LOAD_BATCH, each to its own room
 * bytes of the buffer. Returns how many, with their lengths, or -errno.
 */
int load_receive(int socket, void *buffer, uint32_t room, uint32_t lengths[LOAD_BATCH]);

/* New epoll descriptor, or -errno. */
int load_events(void);
int load_watch(int events, int descriptor);

/* Waits until some (at most LOAD_BATCH) can be read. Returns how many, or -errno. */
int load_wait(int events, int ready[LOAD_BATCH]);

/* Accepts a connection, non-blocking; or -errno. */
int load_accept(int listener);

#endif
