#define _GNU_SOURCE
#include "include/rpa_diag.h"

#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "result.h"

/* The kernel doubles it, and counts 1,280 bytes for an event: room for 6,500. */
#define QUEUE_BYTES (4 << 20)

#define AT(field) (NLMSG_HDRLEN + offsetof(struct inet_diag_msg, id.field))

int rpa_diag_watch(int events, const uint16_t *ports, size_t count, int with_sessions)
{
	struct sock_filter code[5 + 2 * RPA_DIAG_PORTS];
	struct sock_fprog program = {.filter = code};

	if (count > RPA_DIAG_PORTS)
		return -E2BIG;
	if (!with_sessions) {
		code[program.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT(idiag_dport));
		code[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
		code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	}
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT(idiag_sport));
	for (size_t i = 0; i < count; i++) {
		code[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ports[i], 0, 1);
		code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, ~0u);
	}
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return result(setsockopt(events, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

#define GROUP(number) (1u << ((number)-1))

/* A netlink socket without an address would be in the groups, but receive nothing. */
static int join(int netlink)
{
	const struct sockaddr_nl name = {
		.nl_family = AF_NETLINK,
		.nl_groups = GROUP(SKNLGRP_INET_TCP_DESTROY) | GROUP(SKNLGRP_INET_UDP_DESTROY) |
			     GROUP(SKNLGRP_INET6_TCP_DESTROY) | GROUP(SKNLGRP_INET6_UDP_DESTROY),
	};

	return result(bind(netlink, (const struct sockaddr *)&name, sizeof(name)));
}

int rpa_diag_events(const uint16_t *ports, size_t count, int with_sessions)
{
	int error, events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (events < 0)
		return -errno;
	/* The first needs CAP_NET_ADMIN; the second stays below net.core.rmem_max. */
	error = set_option(events, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES);
	if (error == -EPERM)
		error = set_option(events, SOL_SOCKET, SO_RCVBUF, QUEUE_BYTES);
	/* Set the filter before joining, so that no event of another port is queued. */
	if (!error)
		error = rpa_diag_watch(events, ports, count, with_sessions);
	if (!error)
		error = join(events);
	return fd_or(error, events);
}

/*
 * After an overrun the kernel drops what comes, without another word, until the
 * queue is empty: only then an event can be trusted to come.
 */
static int empty(int events)
{
	char byte;

	while (recv(events, &byte, sizeof(byte), 0) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
	return errno == EAGAIN ? -ENOBUFS : -errno;
}

int rpa_diag_next(int events, struct rpa_diag_socket *closed)
{
	_Alignas(struct nlmsghdr) char bytes[4096];

	for (;;) {
		struct sockaddr_nl sender = {};
		socklen_t size = sizeof(sender);
		size_t offset = 0;
		ssize_t length = recvfrom(events, bytes, sizeof(bytes), 0, (struct sockaddr *)&sender, &size);
		int found;

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return errno == EAGAIN ? 0 : errno == ENOBUFS ? empty(events) : -errno;
		/* Privileged processes can send to a netlink socket, too: port 0 is the kernel. */
		if (sender.nl_pid != 0)
			continue;
		/* The kernel sends one message a datagram. */
		found = rpa_diag_read(bytes, (size_t)length, &offset, closed);
		if (found < 0)
			return found;
		if (found == RPA_DIAG_SOCKET)
			return 1;
	}
}
