#define _GNU_SOURCE
#include "include/rpa_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* The kernel's answers are whole messages of at most 32 KiB. */
struct answer {
	_Alignas(struct nlmsghdr) char bytes[32768];
	size_t length;
	size_t offset;
};

struct list {
	struct rpa_diag_socket *sockets;
	size_t count;
	size_t capacity;
};

/* New fd. */
static int open_netlink(void)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return netlink < 0 ? -errno : netlink;
}

static int ask(int netlink, struct request *request)
{
	request->header.nlmsg_len = sizeof(*request);
	request->header.nlmsg_flags |= NLM_F_REQUEST;
	return send(netlink, request, sizeof(*request), 0) < 0 ? -errno : 0;
}

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

/* The next of the kernel's messages, as rpa_diag_read has it. */
static int next(int netlink, struct answer *answer, struct rpa_diag_socket *socket)
{
	int found;

	while ((found = rpa_diag_read(answer->bytes, answer->length, &answer->offset, socket)) ==
	       RPA_DIAG_END) {
		int error = receive(netlink, answer);

		if (error)
			return error;
	}
	return found;
}

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
	struct answer answer = {.length = 0};
	struct rpa_diag_socket socket;
	int found;

	while ((found = next(netlink, &answer, &socket)) > 0 && found != RPA_DIAG_DONE) {
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
	struct request nothing = {.header = {.nlmsg_type = NLMSG_NOOP, .nlmsg_flags = NLM_F_ACK}};
	struct answer answer = {.length = 0};
	int error = ask(netlink, &nothing);

	return error ? error : receive(netlink, &answer);
}

int rpa_diag_sockets(int family, int protocol, uint32_t states, uint16_t port,
		     struct rpa_diag_socket **sockets)
{
	struct request request = {
		.header = {.nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_DUMP},
		.body = {
			.sdiag_family = (uint8_t)family,
			.sdiag_protocol = (uint8_t)protocol,
			.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
			.idiag_states = states,
			/* The kernel passes over all other ports. */
			.id = {.idiag_sport = htons(port)},
		},
	};
	struct list list = {};
	int error, netlink = open_netlink();

	*sockets = NULL;
	if (netlink < 0)
		return netlink;
	error = show_buffer(netlink);
	if (!error)
		error = ask(netlink, &request);
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

static int acknowledged(int netlink)
{
	struct answer answer = {.length = 0};
	struct rpa_diag_socket unused;
	int found;

	while ((found = next(netlink, &answer, &unused)) > 0 && found != RPA_DIAG_DONE)
		;
	return found < 0 ? found : 0;
}

int rpa_diag_destroy(const struct rpa_diag_socket *session)
{
	struct request request = {
		.header = {.nlmsg_type = SOCK_DESTROY, .nlmsg_flags = NLM_F_ACK},
		.body = {
			.sdiag_family = session->family,
			.sdiag_protocol = session->protocol,
			.idiag_states = ~0u,
			.id = {
				.idiag_sport = htons(session->port),
				.idiag_dport = htons(session->peer_port),
				.idiag_if = session->interface,
				.idiag_cookie = {(uint32_t)session->cookie, (uint32_t)(session->cookie >> 32)},
			},
		},
	};
	int error, netlink = open_netlink();

	if (netlink < 0)
		return netlink;
	memcpy(request.body.id.idiag_src, session->address, sizeof(session->address));
	memcpy(request.body.id.idiag_dst, session->peer, sizeof(session->peer));
	error = ask(netlink, &request);
	if (!error)
		error = acknowledged(netlink);
	close(netlink);
	return error;
}
