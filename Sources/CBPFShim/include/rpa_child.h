/* Short commands of the agent, which don't outlive it. */
#ifndef RPA_CHILD_H
#define RPA_CHILD_H

#include <stddef.h>
#include <stdint.h>

/* New fd of a file in memory with these bytes, positioned at the start
 * (memfd_create(2)). */
int rpa_memory_file(const void *bytes, size_t length);

/*
 * Starts argv[0], sought in PATH, in a process group of its own, as whose leader it
 * can be ended with all that it starts. input is its standard input, output the
 * standard output and error: both stay the caller's. It begins with no signal
 * blocked or ignored, may have open_files descriptors, and is killed when the calling
 * thread ends. Returns its pid, the caller's to reap. -errno: also where it can't be
 * executed.
 */
int rpa_start_child(char *const argv[], int input, int output, uint32_t open_files);

/* New fd of the readable end of a pipe, which never blocks; *writer: the other end. */
int rpa_output_pipe(int *writer);

/* New fd that becomes readable with rpa_raise_event (eventfd(2)). */
int rpa_event(void);
int rpa_raise_event(int event);

#endif
