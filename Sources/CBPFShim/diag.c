#define _GNU_SOURCE
#include "include/rpa_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int request(int netlink, int family, int protocol)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} message = {
		.header = {
			.nlmsg_len = sizeof(message),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = {
			.sdiag_family = (uint8_t)family,
			.sdiag_protocol = (uint8_t)protocol,
			.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
			.idiag_states = protocol == IPPROTO_TCP ? 1 << TCP_LISTEN : ~0u,
		},
	};

	return send(netlink, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

static struct rpa_diag_socket read_socket(struct nlmsghdr *header)
{
	struct inet_diag_msg *body = NLMSG_DATA(header);
	struct rpa_diag_socket socket = {
		.cookie = (uint64_t)body->id.idiag_cookie[1] << 32 | body->id.idiag_cookie[0],
		.inode = body->idiag_inode,
		.uid = body->idiag_uid,
		.queued = body->idiag_rqueue,
	};
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*body)));
	struct nlattr *attribute = (struct nlattr *)(body + 1);

	while (left >= (int)sizeof(*attribute) && attribute->nla_len >= sizeof(*attribute) &&
	       attribute->nla_len <= left) {
		if (attribute->nla_type == INET_DIAG_SKMEMINFO &&
		    attribute->nla_len >= NLA_HDRLEN + (SK_MEMINFO_DROPS + 1) * sizeof(uint32_t))
			memcpy(&socket.drops,
			       (char *)attribute + NLA_HDRLEN + SK_MEMINFO_DROPS * sizeof(uint32_t),
			       sizeof(socket.drops));
		left -= NLA_ALIGN(attribute->nla_len);
		attribute = (struct nlattr *)((char *)attribute + NLA_ALIGN(attribute->nla_len));
	}
	return socket;
}

/* 1 when the dump is over. */
static int read_replies(struct nlmsghdr *header, int length, uint16_t port,
			struct rpa_diag_socket *sockets, size_t capacity, size_t *count)
{
	for (; NLMSG_OK(header, (unsigned int)length); header = NLMSG_NEXT(header, length)) {
		struct inet_diag_msg *body = NLMSG_DATA(header);

		if (header->nlmsg_type == NLMSG_DONE)
			return 1;
		if (header->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(header))->error ?: -EPROTO;
		if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*body)) ||
		    ntohs(body->id.idiag_sport) != port)
			continue;
		if (*count < capacity)
			sockets[*count] = read_socket(header);
		(*count)++;
	}
	return 0;
}

int rpa_diag_sockets(int family, int protocol, uint16_t port, struct rpa_diag_socket *sockets,
		     size_t capacity)
{
	_Alignas(struct nlmsghdr) char buffer[32768];
	size_t count = 0;
	int error, netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (netlink < 0)
		return -errno;
	error = request(netlink, family, protocol);
	while (error == 0) {
		ssize_t length = recv(netlink, buffer, sizeof(buffer), 0);

		error = length < 0 ? -errno
				   : read_replies((struct nlmsghdr *)buffer, (int)length, port,
						  sockets, capacity, &count);
	}
	close(netlink);
	return error < 0 ? error : (int)count;
}
