/* Processes, signals, capabilities, memory and time. */
#ifndef RPA_PROCESS_H
#define RPA_PROCESS_H

#include <signal.h>
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

/* The state of signals when the process began, which its command inherits. */
struct rpa_inherited_signals {
	sigset_t mask;
	int32_t ignores_child; /* SIGCHLD was ignored */
};

/*
 * Blocks every signal that can be taken and gives them through a new fd, which
 * never blocks (signalfd(2)). Left as they are: SIGKILL and SIGSTOP, the faults
 * of the process itself, and SIGTTIN and SIGTTOU, which a terminal sends to all
 * of a group alike. SIGPIPE is blocked and not given: writes fail instead.
 */
int rpa_take_signals(struct rpa_inherited_signals *inherited);

struct rpa_signal {
	int32_t number;
	int32_t sender;      /* pid in our namespace, or 0 */
	int32_t from_kernel; /* a terminal's key, or its end, and not kill(2) */
};

/* 1: *signal is the next one of either fd. 0: there is none. */
int rpa_next_signal(int signal_fd, struct rpa_signal *signal);

/* Ends this process by that signal, without a core file of its own. Returns if
 * the kernel doesn't let it: the first process of a PID namespace. */
void rpa_die_by(int number);

/* Raises the signal in this process, even if it is blocked. A stop signal stops the process
 * until SIGCONT, or does nothing in an orphaned process group. */
void rpa_raise(int number);

/* Numbers of capabilities(7). */
enum rpa_capability {
	RPA_CAP_CHOWN = 0,
	RPA_CAP_NET_BIND_SERVICE = 10,
	RPA_CAP_NET_ADMIN = 12,
	RPA_CAP_NET_RAW = 13,
	RPA_CAP_SYS_PTRACE = 19,
	RPA_CAP_SYS_ADMIN = 21,
	RPA_CAP_PERFMON = 38,
	RPA_CAP_BPF = 39,
};

/* 1 if the calling thread's effective set has the capability of that number. */
int rpa_has_capability(int number);

/* Gives freed memory back to the kernel (malloc_trim(3)). */
void rpa_trim_memory(void);

/* Releases the resident pages of the program's code and constants; pages that are used again
 * come back from the page cache (madvise(2), MADV_DONTNEED). */
void rpa_release_code(void);

/* CLOCK_MONOTONIC in nanoseconds. In a time namespace, bpf_ktime_get_ns() differs by the
 * namespace's offset. */
uint64_t rpa_monotonic_ns(void);

#endif
