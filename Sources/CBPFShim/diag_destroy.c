#define _GNU_SOURCE
#include "diag_request.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <unistd.h>

static int acknowledged(int netlink)
{
	struct diag_answer answer = {.length = 0};
	struct rpa_diag_socket unused;
	int found;

	while ((found = diag_next(netlink, &answer, &unused)) > 0 && found != RPA_DIAG_DONE)
		;
	return found < 0 ? found : 0;
}

int rpa_diag_destroy(const struct rpa_diag_socket *session)
{
	struct diag_request request = diag_session_request(SOCK_DESTROY, session);
	int error, netlink = diag_open();

	if (netlink < 0)
		return netlink;
	request.header.nlmsg_flags = NLM_F_ACK;
	error = diag_ask(netlink, &request);
	if (!error)
		error = acknowledged(netlink);
	close(netlink);
	return error;
}

int rpa_diag_session(const struct rpa_diag_socket *like, struct rpa_diag_socket *session)
{
	struct diag_request request = diag_session_request(SOCK_DIAG_BY_FAMILY, like);
	struct diag_answer answer = {.length = 0};
	int found, netlink = diag_open();

	if (netlink < 0)
		return netlink;
	found = diag_ask(netlink, &request);
	if (!found)
		found = diag_next(netlink, &answer, session);
	close(netlink);
	/* Without a session the kernel finds the listener. */
	if (found == -ENOENT || (found == RPA_DIAG_SOCKET && session->peer_port != like->peer_port))
		return 0;
	return found < 0 ? found : found == RPA_DIAG_SOCKET;
}
