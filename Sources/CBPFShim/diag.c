#define _GNU_SOURCE
#include "diag_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <unistd.h>

struct list {
	struct rpa_diag_socket *sockets;
	size_t count;
	size_t capacity;
};

static int append(struct list *list, const struct rpa_diag_socket *socket)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		void *grown = reallocarray(list->sockets, capacity, sizeof(*socket));

		if (!grown)
			return -ENOMEM;
		list->sockets = grown;
		list->capacity = capacity;
	}
	list->sockets[list->count++] = *socket;
	return 0;
}

static int collect(int netlink, int protocol, uint16_t port, struct list *list)
{
	struct diag_answer answer = {.length = 0};
	struct rpa_diag_socket socket;
	int found;

	while ((found = diag_next(netlink, &answer, &socket)) > 0 && found != RPA_DIAG_DONE) {
		int error;

		if (found != RPA_DIAG_SOCKET || socket.port != port)
			continue;
		socket.protocol = (uint8_t)protocol;
		if ((error = append(list, &socket)))
			return error;
	}
	return found < 0 ? found : 0;
}

/*
 * The kernel makes an answer as large as the largest buffer that it has seen us
 * receive with, and puts no more sockets in the first than 20 before it saw one.
 * It sees ours with the answer to a request for nothing.
 */
static int show_buffer(int netlink)
{
	struct diag_request nothing = {.header = {.nlmsg_type = NLMSG_NOOP, .nlmsg_flags = NLM_F_ACK}};
	struct diag_answer answer = {.length = 0};
	int error = diag_ask(netlink, &nothing);

	return error ? error : diag_receive(netlink, &answer);
}

int rpa_diag_sockets(int family, int protocol, uint32_t states, uint16_t port, int what,
		     struct rpa_diag_socket **sockets)
{
	struct diag_request request = {
		.header = {.nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_DUMP},
		.body =
			{
				.sdiag_family = (uint8_t)family,
				.sdiag_protocol = (uint8_t)protocol,
				.idiag_ext = 1 << ((what == RPA_DIAG_TIMES ? INET_DIAG_INFO
									   : INET_DIAG_SKMEMINFO) -
						   1),
				.idiag_states = states,
				/* The kernel skips all other ports. */
				.id = {.idiag_sport = htons(port)},
			},
	};
	struct list list = {};
	int error, netlink = diag_open();

	*sockets = NULL;
	if (netlink < 0)
		return netlink;
	error = show_buffer(netlink);
	if (!error)
		error = diag_ask(netlink, &request);
	if (!error)
		error = collect(netlink, protocol, port, &list);
	close(netlink);
	if (error) {
		free(list.sockets);
		return error;
	}
	*sockets = list.sockets;
	return (int)list.count;
}
