#include "include/rpa_socket.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "rtnetlink.h"

#ifndef NLA_TYPE_MASK
#define NLA_TYPE_MASK 0x3fff
#endif

/* The attribute of that type, or NULL. The kernel builds the list: its lengths are right. */
static const struct rtattr *find(const struct rtattr *attribute, long length, unsigned short type)
{
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		if ((attribute->rta_type & NLA_TYPE_MASK) == type)
			return attribute;
	}
	return NULL;
}

static bool is_vrf(const struct rtattr *information, unsigned short type)
{
	const struct rtattr *kind = find(RTA_DATA(information), RTA_PAYLOAD(information), type);

	return kind && RTA_PAYLOAD(kind) >= sizeof("vrf") && !strcmp(RTA_DATA(kind), "vrf");
}

int rpa_is_in_vrf(uint32_t interface)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_GETLINK,
			   .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = (int)interface},
	};
	union {
		struct nlmsghdr header;
		char bytes[32768];
	} answer;
	const struct rtattr *information;
	ssize_t length = ask_rtnetlink(&request.header, &answer, sizeof(answer));

	if (length < 0)
		return (int)length;
	if (!NLMSG_OK(&answer.header, length) || answer.header.nlmsg_type != RTM_NEWLINK)
		return -EBADMSG;
	information = find(IFLA_RTA(NLMSG_DATA(&answer.header)), IFLA_PAYLOAD(&answer.header), IFLA_LINKINFO);
	return information &&
	       (is_vrf(information, IFLA_INFO_KIND) || is_vrf(information, IFLA_INFO_SLAVE_KIND));
}
