/* Commands that the agent starts. */
#ifndef RPA_COMMAND_H
#define RPA_COMMAND_H

#include <stddef.h>

#include "rpa_process.h"

/* Room for a pid in decimal, with the NUL. */
#define RPA_PID_TEXT 12

/*
 * The command of exec, which a process of one thread starts and forwards its signals to.
 * Starts argv[0], searched for in the environment's PATH, with this environment, with this
 * process's descriptors and process group, and with the inherited signals. The command gets
 * SIGTERM when this process ends. Both lists end with NULL. pid_texts: places of RPA_PID_TEXT
 * bytes in strings of the environment, where the command finds its own pid. Returns its pid.
 * -errno with *refused = 1: it can't be executed (execvp(3)).
 */
int rpa_launch(char *const argv[], char **environment, char *const pid_texts[],
	       const struct rpa_inherited_signals *inherited, int *refused);

/* This process becomes the parent of its descendants whose parent ends (PR_SET_CHILD_SUBREAPER). */
int rpa_adopt_orphans(void);

/* Closes fd if this process inherited it: its own descriptors have FD_CLOEXEC. */
int rpa_close_inherited(int fd);

/*
 * A short-lived command of the agent, which ends with it. Starts argv[0], searched for in
 * PATH, as the leader of a new process group, so that a signal to the group ends it with its
 * children. input becomes its standard input, output its standard output and error; the
 * caller keeps both descriptors. The process starts without blocked or ignored signals and
 * with a limit of open_files descriptors, and is killed when the calling thread ends. Returns
 * its pid, which the caller must reap. -errno: also if it can't be executed.
 */
int rpa_start_child(char *const argv[], int input, int output, uint32_t open_files);

/* New fd of a file in memory with these bytes, positioned at the start
 * (memfd_create(2)). */
int rpa_memory_file(const void *bytes, size_t length);

/* New fd of the readable end of a pipe, which never blocks; *writer: the other end. */
int rpa_output_pipe(int *writer);

/* New fd that becomes readable with rpa_raise_event (eventfd(2)). */
int rpa_event(void);
int rpa_raise_event(int event);

#endif
