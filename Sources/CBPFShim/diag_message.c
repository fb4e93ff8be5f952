#define _GNU_SOURCE
#include "include/rpa_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>

/* Everything is copied out, because lengths may be wrong and data may be unaligned. */

static uint64_t cookie_of(const struct inet_diag_sockid *id)
{
	return (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];
}

/* struct tcp_info has grown with the kernels: what is beyond its end isn't known. */
static void read_times(const char *value, size_t length, struct rpa_diag_socket *socket)
{
	struct tcp_info info = {.tcpi_min_rtt = ~0u};

	memcpy(&info, value, length < sizeof(info) ? length : sizeof(info));
	socket->received = info.tcpi_bytes_received;
	socket->rtt = info.tcpi_rtt;
	socket->min_rtt = info.tcpi_min_rtt;
	socket->silent = info.tcpi_last_data_recv;
}

static void read_attribute(const struct nlattr *attribute, const char *value, struct rpa_diag_socket *socket)
{
	const size_t drops = SK_MEMINFO_DROPS * sizeof(uint32_t);
	size_t length = attribute->nla_len - NLA_HDRLEN;

	switch (attribute->nla_type & NLA_TYPE_MASK) {
	case INET_DIAG_SKMEMINFO:
		if (length >= drops + sizeof(socket->drops))
			memcpy(&socket->drops, value + drops, sizeof(socket->drops));
		break;
	case INET_DIAG_INFO:
		read_times(value, length, socket);
		break;
	case INET_DIAG_SKV6ONLY:
		if (length >= 1)
			socket->ipv6_only = *value != 0;
		break;
	case INET_DIAG_PROTOCOL:
		if (length >= 1)
			socket->protocol = (uint8_t)*value;
		break;
	}
}

static int read_attributes(const char *bytes, size_t length, struct rpa_diag_socket *socket)
{
	struct nlattr attribute;
	size_t offset = 0;

	while (length - offset >= sizeof(attribute)) {
		memcpy(&attribute, bytes + offset, sizeof(attribute));
		if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > length - offset)
			return -EBADMSG;
		read_attribute(&attribute, bytes + offset + NLA_HDRLEN, socket);
		offset += NLA_ALIGN(attribute.nla_len);
		if (offset > length)
			break;
	}
	return RPA_DIAG_SOCKET;
}

static int read_socket(const char *bytes, size_t length, struct rpa_diag_socket *socket)
{
	struct inet_diag_msg body;

	if (length < sizeof(body))
		return -EBADMSG;
	memcpy(&body, bytes, sizeof(body));
	*socket = (struct rpa_diag_socket){
		.family = body.idiag_family,
		.state = body.idiag_state,
		.port = ntohs(body.id.idiag_sport),
		.peer_port = ntohs(body.id.idiag_dport),
		.interface = body.id.idiag_if,
		.inode = body.idiag_inode,
		.uid = body.idiag_uid,
		.queued = body.idiag_rqueue,
		.cookie = cookie_of(&body.id),
	};
	memcpy(socket->address, body.id.idiag_src, sizeof(socket->address));
	memcpy(socket->peer, body.id.idiag_dst, sizeof(socket->peer));
	return read_attributes(bytes + NLMSG_ALIGN(sizeof(body)), length - NLMSG_ALIGN(sizeof(body)), socket);
}

/* NLMSG_ERROR, and NLMSG_DONE in all but old kernels, begin with an error or 0. */
static int read_verdict(const char *bytes, size_t length)
{
	int32_t error = 0;

	if (length >= sizeof(error))
		memcpy(&error, bytes, sizeof(error));
	return error < 0 ? error : RPA_DIAG_DONE;
}

int rpa_diag_read(const void *datagram, size_t length, size_t *offset, struct rpa_diag_socket *socket)
{
	const char *bytes = (const char *)datagram + *offset;
	struct nlmsghdr header;

	if (*offset >= length)
		return RPA_DIAG_END;
	if (length - *offset < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > length - *offset)
		return -EBADMSG;
	*offset += NLMSG_ALIGN(header.nlmsg_len);
	if (header.nlmsg_flags & NLM_F_DUMP_INTR)
		return -EINTR;
	bytes += NLMSG_HDRLEN;
	switch (header.nlmsg_type) {
	case NLMSG_DONE:
	case NLMSG_ERROR:
		return read_verdict(bytes, header.nlmsg_len - NLMSG_HDRLEN);
	case SOCK_DIAG_BY_FAMILY:
		return read_socket(bytes, header.nlmsg_len - NLMSG_HDRLEN, socket);
	default:
		return RPA_DIAG_OTHER;
	}
}
