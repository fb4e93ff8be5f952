/* A request to sock_diag(7), and the messages that answer it. */
#ifndef DIAG_REQUEST_H
#define DIAG_REQUEST_H

#include "include/rpa_diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>

struct diag_request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* Answers are whole messages of at most 32 KiB. */
struct diag_answer {
	_Alignas(struct nlmsghdr) char bytes[32768];
	size_t length;
	size_t offset;
};

/* New fd. */
int diag_open(void);

/* Sends the request, with its length and NLM_F_REQUEST. */
int diag_ask(int netlink, struct diag_request *request);

int diag_receive(int netlink, struct diag_answer *answer);

/* Reads the kernel's next message as rpa_diag_read does, but never returns END. Start
 * with an answer of length 0. */
int diag_next(int netlink, struct diag_answer *answer, struct rpa_diag_socket *socket);

#endif
