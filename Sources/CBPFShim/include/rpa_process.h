/* Processes, signals and the service manager. */
#ifndef RPA_PROCESS_H
#define RPA_PROCESS_H

#include <stdint.h>

/* pidfd_open(2): new fd. */
int rpa_pidfd_open(int32_t pid);

/* pidfd_getfd(2): new fd of the other process's descriptor number. -EBADF: it
 * has none of that number. -EPERM: lacks CAP_SYS_PTRACE over that process. */
int rpa_pidfd_getfd(int pidfd, int number);
int rpa_pidfd_signal(int pidfd, int signal); /* pidfd_send_signal(2) */

/* Blocks SIGTERM, SIGINT and SIGHUP and gives them through a new fd, which
 * never blocks. SIGPIPE is ignored from here on. */
int rpa_signal_fd(void);

/* Number of the next signal of rpa_signal_fd, 0 if there is none. */
int rpa_next_signal(int signal_fd);

/* Tells the service manager (sd_notify(3)): state is like "READY=1". address is
 * $NOTIFY_SOCKET, a path or "@" and an abstract name. */
int rpa_notify(const char *address, const char *state);

/* 1 if the calling thread's effective set has the capability of that number. */
int rpa_has_capability(int number);

/* Gives freed memory back to the kernel (malloc_trim(3)). */
void rpa_trim_memory(void);

/* Releases the resident pages of the program's code and constants; pages that are used again
 * come back from the page cache (madvise(2), MADV_DONTNEED). */
void rpa_release_code(void);

#endif
