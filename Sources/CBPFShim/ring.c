#include "include/rpa_bpf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rpa_ring {
	struct ring_buffer *buffer;
	/* Of the call of rpa_ring_read that is under way. */
	struct rpa_exporter_event *events;
	size_t count, capacity;
};

/* A negative result ends the read after this event. */
static int take(void *context, void *data, size_t size)
{
	struct rpa_ring *ring = context;

	if (size >= sizeof(*ring->events))
		memcpy(&ring->events[ring->count++], data, sizeof(*ring->events));
	return ring->count < ring->capacity ? 0 : -ENOBUFS;
}

int rpa_ring_open(int map, struct rpa_ring **ring)
{
	struct rpa_ring *made = calloc(1, sizeof(*made));
	int error;

	*ring = NULL;
	if (!made)
		return -ENOMEM;
	made->buffer = ring_buffer__new(map, take, made, NULL);
	if (!made->buffer) {
		error = -errno;
		free(made);
		return error;
	}
	*ring = made;
	return 0;
}

void rpa_ring_close(struct rpa_ring *ring)
{
	if (!ring)
		return;
	ring_buffer__free(ring->buffer);
	free(ring);
}

int rpa_ring_number(const struct rpa_ring *ring)
{
	return ring_buffer__epoll_fd(ring->buffer);
}

int rpa_ring_read(struct rpa_ring *ring, struct rpa_exporter_event *events, size_t capacity)
{
	int result;

	ring->events = events;
	ring->count = 0;
	ring->capacity = capacity;
	if (!capacity)
		return 0;
	result = ring_buffer__consume(ring->buffer);
	if (result < 0 && result != -ENOBUFS)
		return result;
	return (int)ring->count;
}
