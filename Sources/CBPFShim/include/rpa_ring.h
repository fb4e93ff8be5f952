/* The ring buffer of the program's notifications of exporters, through libbpf. */
#ifndef RPA_RING_H
#define RPA_RING_H

#include <stddef.h>

#include "sk_reuseport_layout.h"

struct rpa_ring;

/* Maps the ring buffer; the map's fd may be closed. *ring is NULL on failure, else
 * the caller's until rpa_ring_close. */
int rpa_ring_open(int map, struct rpa_ring **ring);
void rpa_ring_close(struct rpa_ring *ring); /* NULL is fine */

/* The ring's epoll fd, which the ring owns: readable when there are events. */
int rpa_ring_number(const struct rpa_ring *ring);

/* Takes up to capacity events without blocking. Returns their number. */
int rpa_ring_read(struct rpa_ring *ring, struct rpa_exporter_event *events, size_t capacity);

#endif
