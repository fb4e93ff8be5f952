/*
 * Network, mount and PID namespaces for demonstrations and tests. When their first
 * process ends, the kernel removes them with every process, mount, pin and socket
 * in them, even if the process that made them is gone.
 */
#ifndef LAB_SANDBOX_H
#define LAB_SANDBOX_H

#include <stdint.h>

/*
 * Starts the first process of new namespaces and sets them up: loopback is up and
 * has every IPv4 and IPv6 address (so that any source can be bound with
 * IP_FREEBIND), private mounts, a proc, a bpffs at /sys/fs/bpf, a tmpfs at /run.
 * The process executes argv if that is given; otherwise it waits until it is killed.
 * It is killed when the calling thread ends. Returns its pid, which the caller must
 * reap. *failed names the step that failed.
 */
int lab_sandbox_start(char *const argv[], const char **failed);

/* The namespaces of a thread before lab_sandbox_enter, as open descriptors. */
struct lab_namespaces {
	int fds[3];
};

/*
 * Moves the calling thread into the sandbox of that first process: into its network
 * and mounts at once, and into its PID namespace for processes that the thread starts.
 * Until it leaves, neither the thread nor a library on it may start another thread:
 * the start fails (EINVAL), or the new thread is in the sandbox, too.
 */
int lab_sandbox_enter(int32_t first_pid, struct lab_namespaces *home);

/* Moves the thread back and closes the descriptors. */
int lab_sandbox_leave(struct lab_namespaces *home);

/*
 * Changes the user of the calling thread alone, which loses its capabilities; 0 makes
 * it root again. As another user, the thread can't leave its sandbox.
 */
int lab_sandbox_user(uint32_t user);

/*
 * Limits the calling thread's effective capabilities to the permitted ones whose bits
 * are set. The permitted ones stay, so that the thread can raise them again.
 */
int lab_sandbox_capabilities(uint64_t effective);

/* The path by which this process was executed (AT_EXECFN, getauxval(3)). It is correct in a
 * sandbox, too, where /proc/self belongs to another PID namespace. */
const char *lab_executed_path(void);

/* Binds the calling thread to that CPU. */
int lab_run_on_cpu(int cpu);
/* The calling thread enters the network namespace of that descriptor. */
int lab_enter_network(int number);

#endif
