/* What all commands that a process starts have in common. */
#ifndef FORK_EXEC_H
#define FORK_EXEC_H

#include <sys/types.h>

/* In the child, before it becomes the command: 0, or -errno, and it doesn't. */
typedef int prepare_child(const void *context);

/*
 * Forks and executes argv[0], sought in PATH. The child gets death_signal when the
 * calling thread ends (PR_SET_PDEATHSIG). Returns its pid, the caller's to reap.
 * -errno with *refused = 1: it was forked and can't be executed.
 */
pid_t fork_exec(char *const argv[], int death_signal, prepare_child *prepare, const void *context,
		int *refused);

#endif
