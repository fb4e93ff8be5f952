#include "include/rpa_socket.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "rtnetlink.h"

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	char attributes[2 * RTA_SPACE(16) + RTA_SPACE(4)];
};

static void add_attribute(struct route_request *request, unsigned short type, const void *value,
			  unsigned short size)
{
	struct rtattr *attribute =
		(struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_SPACE(size);
}

int rpa_is_local(struct rpa_endpoint endpoint, uint32_t interface)
{
	unsigned short size = endpoint.family == AF_INET ? 4 : 16;
	struct route_request request = {
		.header =
			{
				.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
				.nlmsg_type = RTM_GETROUTE,
				.nlmsg_flags = NLM_F_REQUEST,
			},
		.route =
			{
				.rtm_family = (unsigned char)endpoint.family,
				.rtm_dst_len = (unsigned char)(8 * size),
				.rtm_src_len = (unsigned char)(8 * size),
			},
	};
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		char more[1024];
	} answer;
	ssize_t length;

	add_attribute(&request, RTA_DST, endpoint.address, size);
	add_attribute(&request, RTA_SRC, endpoint.address, size);
	if (interface)
		add_attribute(&request, RTA_OIF, &interface, sizeof(interface));
	length = ask_rtnetlink(&request.header, &answer, sizeof(answer));
	if (length < 0)
		return (int)length;
	if (length < (ssize_t)NLMSG_LENGTH(sizeof(answer.route)) || answer.header.nlmsg_type != RTM_NEWROUTE)
		return -EBADMSG;
	return answer.route.rtm_type == RTN_LOCAL;
}
