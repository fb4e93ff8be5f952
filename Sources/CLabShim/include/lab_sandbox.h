/*
 * Network, mount and PID namespaces for demonstrations and tests. They vanish
 * with their first process, and every process, mount, pin and socket in them:
 * the kernel sees to it, whatever happens to the one who made them.
 */
#ifndef LAB_SANDBOX_H
#define LAB_SANDBOX_H

#include <stdint.h>

/*
 * Starts the first process of new namespaces and furnishes them: loopback up,
 * every IPv4 and IPv6 address local to it (so that any source can be bound with
 * IP_FREEBIND), private mounts, a proc, a bpffs at /sys/fs/bpf, a tmpfs at /run.
 * That process becomes argv if that is given, and else waits until it is killed.
 * It dies with the calling thread. Returns its pid; a zombie is the caller's to
 * reap. *failed names the step that an error comes from.
 */
int lab_sandbox_start(char *const argv[], const char **failed);

/* The namespaces that a thread comes from: descriptors of its own. */
struct lab_namespaces {
	int fds[3];
};

/*
 * Moves the calling thread into the sandbox of that first process: its network
 * and mounts at once, its PID namespace for the processes that it starts. Until
 * it has left, the thread must start no other thread, nor let a library do so:
 * that fails (EINVAL), or the new one would be inside too.
 */
int lab_sandbox_enter(int32_t first_pid, struct lab_namespaces *home);

/* Moves the thread back and closes the descriptors. */
int lab_sandbox_leave(struct lab_namespaces *home);

/*
 * The calling thread alone goes on as that user, without its capabilities, and
 * as root again with 0. As another user it can't leave its sandbox.
 */
int lab_sandbox_user(uint32_t user);

/*
 * The calling thread's effective capabilities are those of its permitted ones whose
 * bits are set. The permitted ones stay, so that the thread can raise them again.
 */
int lab_sandbox_capabilities(uint64_t effective);

/* The path by which this process was executed (AT_EXECFN, getauxval(3)). It is right inside a
 * sandbox, too, where /proc/self is that of another PID namespace. */
const char *lab_executed_path(void);

/* Binds the calling thread to that CPU. */
int lab_run_on_cpu(int cpu);

#endif
