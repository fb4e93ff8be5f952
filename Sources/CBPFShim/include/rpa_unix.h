/* Sockets on the local host: streams, which can carry descriptors, and datagrams (unix(7)). */
#ifndef RPA_UNIX_H
#define RPA_UNIX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors that one message can carry (SCM_MAX_FD). */
#define RPA_MAX_PASSED 253

/* New fd, listening and non-blocking. The socket file has the given permission
 * bits from its first moment on. -EADDRINUSE: something is at the path. */
int rpa_unix_listen(const char *path, uint32_t mode);

/* New fd, connected; sends and receives give up after timeout_ms (-EAGAIN). */
int rpa_unix_connect(const char *path, uint32_t timeout_ms);

/* New fd, non-blocking; -EAGAIN: nobody waits. */
int rpa_accept(int listener);

/* Sends some of the bytes, and all the descriptors with the first of them.
 * Returns the number of bytes sent. Never raises SIGPIPE. */
ssize_t rpa_send(int socket, const void *bytes, size_t length, const int *fds, size_t fd_count);

/*
 * Receives some bytes and descriptors: new fds, *fd_count of them, at most
 * RPA_MAX_PASSED. *truncated: the kernel had to drop some. Returns the number
 * of bytes, 0 at the end.
 */
ssize_t rpa_receive(int socket, void *bytes, size_t length, int *fds, size_t *fd_count, int *truncated);

/* Some bytes; descriptors that came with them are closed. 0 at the end. */
ssize_t rpa_receive_bytes(int socket, void *bytes, size_t length);

struct rpa_peer {
	int32_t pid; /* in our pid namespace; 0 if it isn't visible from there */
	uint32_t uid;
	uint32_t gid;
};

int rpa_peer(int socket, struct rpa_peer *peer); /* SO_PEERCRED */

/* New fd of a datagram socket (AF_UNIX) without a name. */
int rpa_datagram_socket(void);
/* -EAGAIN: the queue of the receiver at that path is full. */
int rpa_send_datagram(int socket, const char *path, const void *bytes, size_t length);

/* Notifies the service manager (sd_notify(3)): state is like "READY=1". address is
 * $NOTIFY_SOCKET, a path or "@" and an abstract name. */
int rpa_notify(const char *address, const char *state);

#endif
