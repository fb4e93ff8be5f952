/* Requests to rtnetlink(7) that have one answer. */
#ifndef RTNETLINK_H
#define RTNETLINK_H

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* The length of the answer, or -errno: the kernel's, too. The answer has room for a struct nlmsgerr. */
static inline ssize_t ask_rtnetlink(const struct nlmsghdr *request, void *answer, size_t size)
{
	const struct nlmsghdr *header = answer;
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t length;

	if (netlink < 0)
		return -errno;
	if (send(netlink, request, request->nlmsg_len, 0) < 0) {
		length = -errno;
	} else {
		do {
			length = recv(netlink, answer, size, 0);
		} while (length < 0 && errno == EINTR);
		if (length < 0)
			length = -errno;
	}
	close(netlink);
	if (length >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) && header->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = NLMSG_DATA(header);

		return error->error ? error->error : -EBADMSG;
	}
	return length;
}

#endif
