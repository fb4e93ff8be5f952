/* Folders and files. */
#ifndef RPA_FILE_H
#define RPA_FILE_H

#include <stdint.h>

int rpa_make_folder(const char *path, uint32_t mode); /* mkdir(2) */
int rpa_remove_file(const char *path);                /* unlink(2) */
int rpa_remove_folder(const char *path);              /* rmdir(2) */

/* New fd of the folder, locked for this process alone until it is closed
 * (flock(2)). -EWOULDBLOCK: another process holds the lock. */
int rpa_lock_folder(const char *path);
/* Unlocks at once, even if a process that was just forked has a copy of the fd. */
int rpa_unlock_folder(int folder);

/* CLOCK_MONOTONIC in nanoseconds, the clock of bpf_ktime_get_ns(). */
uint64_t rpa_monotonic_ns(void);

#endif
