/* Trials of what the kernel allows this process to do. */
#ifndef RPA_TRIAL_H
#define RPA_TRIAL_H

#include <stddef.h>

/*
 * Forks a child that tries something and may be killed for it. Returns 0 in the child,
 * the child's pid in the parent, or -errno; *report is the end of a pipe that the child
 * writes to and the parent reads from. The child dies with its parent, and where memory
 * is short the kernel kills it before its parent. For a process of one thread.
 */
int rpa_trial_start(int *report);

/* Waits for the child: its exit code, or minus the signal that ended it. */
int rpa_trial_end(int pid);

/* Allocates and fills that much memory as a trial. 0 or -ENOMEM. */
int rpa_trial_fill(size_t bytes);

/* Calls bpf(2) with an unknown command: -EINVAL unless something refuses the system
 * call itself. */
int rpa_bpf_answer(void);

/* 1 if maps count as locked memory (RLIMIT_MEMLOCK), as before Linux 5.11; 0 if not; or
 * -errno where no map can be made at all. */
int rpa_counts_locked_memory(void);

#endif
