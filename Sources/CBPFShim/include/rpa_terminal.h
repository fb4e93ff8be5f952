/* Terminals, and writes that never wait. */
#ifndef RPA_TERMINAL_H
#define RPA_TERMINAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Lines and columns of a terminal, 0 if unknown (TIOCGWINSZ). */
int rpa_window_size(int terminal, uint16_t *lines, uint16_t *columns);

/*
 * Until rpa_terminal_leave: keys come one by one and are not echoed, those that
 * make signals do so still. `enter` is written now, `leave` by
 * rpa_terminal_leave, which also puts the terminal's settings back; should a
 * fault of the process end it (SIGSEGV, SIGILL, SIGABRT, …), that is done first.
 * One terminal at a time; the descriptor and `leave` stay the caller's, and valid.
 */
int rpa_terminal_enter(int terminal, const char *enter, const char *leave);
void rpa_terminal_leave(void);

/* Opens the descriptor's file again for writing; new fd with file status flags of its
 * own, so that O_NONBLOCK doesn't affect processes that share the old descriptor. */
int rpa_open_again(int fd);

/* Writes some of the bytes, whatever fd is and however it was opened. Returns their
 * number; -EAGAIN: it would have to wait. Never raises SIGPIPE if that is ignored. */
ssize_t rpa_write_now(int fd, const void *bytes, size_t length);

/* New fd of a datagram socket (AF_UNIX) without a name. */
int rpa_datagram_socket(void);
/* -EAGAIN: the receiver at that path has no room at the moment. */
int rpa_send_datagram(int socket, const char *path, const void *bytes, size_t length);

#endif
