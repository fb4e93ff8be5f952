/* The common part of starting a command. */
#ifndef FORK_EXEC_H
#define FORK_EXEC_H

#include <sys/types.h>

/* Runs in the child before exec. Returns 0, or -errno to prevent the exec. */
typedef int prepare_child(const void *context);

/*
 * Forks and executes argv[0], searched in PATH. The child gets death_signal when the
 * calling thread ends (PR_SET_PDEATHSIG). Returns its pid; the caller reaps it.
 * -errno with *refused = 1: the child was forked, but argv[0] can't be executed.
 */
pid_t fork_exec(char *const argv[], int death_signal, prepare_child *prepare, const void *context,
		int *refused);

#endif
