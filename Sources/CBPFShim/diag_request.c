#define _GNU_SOURCE
#include "diag_request.h"

#include <errno.h>
#include <sys/socket.h>

int diag_open(void)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return netlink < 0 ? -errno : netlink;
}

int diag_ask(int netlink, struct diag_request *request)
{
	request->header.nlmsg_len = sizeof(*request);
	request->header.nlmsg_flags |= NLM_F_REQUEST;
	return send(netlink, request, sizeof(*request), 0) < 0 ? -errno : 0;
}

int diag_receive(int netlink, struct diag_answer *answer)
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

int diag_next(int netlink, struct diag_answer *answer, struct rpa_diag_socket *socket)
{
	int found;

	while ((found = rpa_diag_read(answer->bytes, answer->length, &answer->offset, socket)) ==
	       RPA_DIAG_END) {
		int error = diag_receive(netlink, answer);

		if (error)
			return error;
	}
	return found;
}
