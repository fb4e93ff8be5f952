/* Terminals, and writes that never block. */
#ifndef RPA_TERMINAL_H
#define RPA_TERMINAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Lines and columns of a terminal, 0 if unknown (TIOCGWINSZ). */
int rpa_window_size(int terminal, uint16_t *lines, uint16_t *columns);

/*
 * Until rpa_terminal_leave, keys arrive one by one and are not echoed; keys that
 * cause signals still do. `enter` is written now. rpa_terminal_leave writes `leave`
 * and restores the terminal's settings; if a fault ends the process (SIGSEGV,
 * SIGILL, SIGABRT, …), this happens first. One terminal at a time; the caller keeps
 * the descriptor and `leave` valid.
 */
int rpa_terminal_enter(int terminal, const char *enter, const char *leave);
void rpa_terminal_leave(void);

/* Opens the descriptor's file again for writing; new fd with file status flags of its
 * own, so that O_NONBLOCK doesn't affect processes that share the old descriptor. */
int rpa_open_again(int fd);

/* Writes some of the bytes to an fd of any kind, opened with any flags. Returns their
 * number; -EAGAIN: the write would block. Never raises SIGPIPE if that is ignored. */
ssize_t rpa_write_now(int fd, const void *bytes, size_t length);

#endif
