/* Probes of a port: an empty datagram or a SYN. */
#ifndef RPA_PROBER_H
#define RPA_PROBER_H

#include <stdint.h>

/* New fd, non-blocking, bound to the address and *port; 0: the kernel chooses one,
 * and it is stored there. A connection that comes of it is reset by its close. */
int rpa_prober(int family, int protocol, const uint8_t source[16], uint16_t *port);

/* Sends an empty datagram or a SYN, and never waits. What comes of it shows in
 * poll(2): refused POLLERR, a connection POLLOUT. */
int rpa_send_probe(int prober, int family, int protocol, const uint8_t target[16], uint16_t port);

#endif
