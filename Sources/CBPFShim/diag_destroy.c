#define _GNU_SOURCE
#include "diag_request.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <string.h>
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
	struct diag_request request = {
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
	int error, netlink = diag_open();

	if (netlink < 0)
		return netlink;
	memcpy(request.body.id.idiag_src, session->address, sizeof(session->address));
	memcpy(request.body.id.idiag_dst, session->peer, sizeof(session->peer));
	error = diag_ask(netlink, &request);
	if (!error)
		error = acknowledged(netlink);
	close(netlink);
	return error;
}
