#define _GNU_SOURCE
#include "include/rpa_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

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

/* Answers are whole messages of at most 32 KiB. */
struct answer {
	_Alignas(struct nlmsghdr) char bytes[32768];
	size_t length;
	size_t offset;
};

static int receive(int netlink, struct answer *answer)
{
	ssize_t length;

	do {
		length = recv(netlink, answer->bytes, sizeof(answer->bytes), MSG_TRUNC);
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return -errno;
	if (length == 0 || (size_t)length > sizeof(answer->bytes))
		return -EBADMSG;
	answer->length = (size_t)length;
	answer->offset = 0;
	return 0;
}

/* Sends the request and reads the answer to its end. Appends sockets with the request's port
 * to the list, unless it is NULL. */
static int ask(int netlink, struct request *request, struct list *list)
{
	struct answer answer = {.length = 0};
	struct rpa_diag_socket socket;
	int found, error = 0;

	request->header.nlmsg_len = sizeof(*request);
	request->header.nlmsg_flags |= NLM_F_REQUEST;
	if (send(netlink, request, sizeof(*request), 0) < 0)
		return -errno;
	while (!error) {
		found = rpa_diag_read(answer.bytes, answer.length, &answer.offset, &socket);
		if (found < 0 || found == RPA_DIAG_DONE)
			return found < 0 ? found : 0;
		if (found == RPA_DIAG_END)
			error = receive(netlink, &answer);
		if (found != RPA_DIAG_SOCKET || !list || htons(socket.port) != request->body.id.idiag_sport)
			continue;
		socket.protocol = request->body.sdiag_protocol;
		error = append(list, &socket);
	}
	return error;
}

static int open_netlink(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
}

int rpa_diag_sockets(int family, int protocol, uint32_t states, uint16_t port, int what,
		     struct rpa_diag_socket **sockets)
{
	/*
	 * The kernel makes an answer as large as the largest buffer that it has seen us
	 * receive with, and puts no more sockets in the first than 20 before it saw one.
	 * It sees ours with the answer to a request for nothing.
	 */
	struct request nothing = {.header = {.nlmsg_type = NLMSG_NOOP, .nlmsg_flags = NLM_F_ACK}};
	struct request request = {
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
	int error, netlink = open_netlink();

	*sockets = NULL;
	if (netlink < 0)
		return netlink;
	error = ask(netlink, &nothing, NULL);
	if (!error)
		error = ask(netlink, &request, &list);
	close(netlink);
	if (error) {
		free(list.sockets);
		return error;
	}
	*sockets = list.sockets;
	return (int)list.count;
}

int rpa_diag_destroy(const struct rpa_diag_socket *session)
{
	struct request request = {
		.header = {.nlmsg_type = SOCK_DESTROY, .nlmsg_flags = NLM_F_ACK},
		.body =
			{
				.sdiag_family = session->family,
				.sdiag_protocol = session->protocol,
				.idiag_states = ~0u,
				.id =
					{
						.idiag_sport = htons(session->port),
						.idiag_dport = htons(session->peer_port),
						.idiag_if = session->interface,
						.idiag_cookie = {(uint32_t)session->cookie,
								 (uint32_t)(session->cookie >> 32)},
					},
			},
	};
	int error, netlink = open_netlink();

	if (netlink < 0)
		return netlink;
	memcpy(request.body.id.idiag_src, session->address, sizeof(session->address));
	memcpy(request.body.id.idiag_dst, session->peer, sizeof(session->peer));
	error = ask(netlink, &request, NULL);
	close(netlink);
	return error;
}
