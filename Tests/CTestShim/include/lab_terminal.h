/* Pseudo-terminals, to test programs on a terminal. */
#ifndef LAB_TERMINAL_H
#define LAB_TERMINAL_H

#include <stdint.h>

/* New fd that never blocks: the outer end. *inner is a new fd, too: the terminal. */
int lab_pseudo_terminal(int *inner);
/* Lines and columns of a terminal (TIOCSWINSZ). */
int lab_set_window_size(int terminal, uint16_t lines, uint16_t columns);

#endif
