/* Short-lived commands of the agent, which end with it. */
#ifndef RPA_CHILD_H
#define RPA_CHILD_H

#include <stddef.h>
#include <stdint.h>

/* New fd of a file in memory with these bytes, positioned at the start
 * (memfd_create(2)). */
int rpa_memory_file(const void *bytes, size_t length);

/*
 * Starts argv[0], searched for in PATH, as the leader of a new process group, so that
 * a signal to the group ends it with its children. input becomes its standard input,
 * output its standard output and error; the caller keeps both descriptors. The process
 * starts without blocked or ignored signals and with a limit of open_files descriptors,
 * and is killed when the calling thread ends. Returns its pid, which the caller must
 * reap. -errno: also if it can't be executed.
 */
int rpa_start_child(char *const argv[], int input, int output, uint32_t open_files);

/* New fd of the readable end of a pipe, which never blocks; *writer: the other end. */
int rpa_output_pipe(int *writer);

/* New fd that becomes readable with rpa_raise_event (eventfd(2)). */
int rpa_event(void);
int rpa_raise_event(int event);

#endif
