/* The command of exec: started by a process of one thread, which forwards its signals. */
#ifndef RPA_LAUNCH_H
#define RPA_LAUNCH_H

#include <signal.h>
#include <stdint.h>

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

/* 1: *signal is the next one of rpa_take_signals's fd. 0: there is none. */
int rpa_next_taken(int signal_fd, struct rpa_signal *signal);

/*
 * Starts argv[0], sought in PATH, with our environment, descriptors and process
 * group and the inherited signals. It gets SIGTERM when this process dies.
 * Returns its pid. -errno with *refused = 1: it can't be executed (execvp(3)).
 */
int rpa_launch(char *const argv[], const struct rpa_inherited_signals *inherited, int *refused);

/* Pid of a child that has ended, with its wait status; 0: none has. */
int rpa_reap(int *status);

/* Ends this process by that signal, without a core file of its own. Returns if
 * the kernel doesn't let it: the first process of a PID namespace. */
void rpa_die_by(int number);

/* Performs the stop signal's default action: stops this process until SIGCONT, or
 * does nothing in an orphaned process group. */
void rpa_stop_by(int number);

#endif
