#define _GNU_SOURCE
#include "CLoad.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int result(int value)
{
	return value < 0 ? -errno : value;
}

/* A control message that names the source of a datagram (ip(7)). */
union source {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static void name_source(union source *control, uint32_t address)
{
	struct in_pktinfo information = {.ipi_spec_dst.s_addr = htonl(address)};

	control->header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(information)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
	memcpy(CMSG_DATA(&control->header), &information, sizeof(information));
}

int load_send(int socket, uint16_t port, void *payload, uint32_t length, const uint32_t *sources,
	      uint32_t count)
{
	struct sockaddr_in target = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct mmsghdr messages[LOAD_BATCH] = {};
	struct iovec parts[LOAD_BATCH];
	union source controls[LOAD_BATCH];

	if (count > LOAD_BATCH)
		count = LOAD_BATCH;
	for (uint32_t i = 0; i < count; i++) {
		parts[i] = (struct iovec){(char *)payload + i * length, length};
		name_source(&controls[i], sources[i]);
		messages[i].msg_hdr = (struct msghdr){.msg_name = &target,
						      .msg_namelen = sizeof(target),
						      .msg_iov = &parts[i],
						      .msg_iovlen = 1,
						      .msg_control = &controls[i],
						      .msg_controllen = sizeof(controls[i])};
	}
	return result(sendmmsg(socket, messages, count, 0));
}

int load_receive(int socket, void *buffer, uint32_t room, uint32_t lengths[LOAD_BATCH])
{
	struct mmsghdr messages[LOAD_BATCH] = {};
	struct iovec parts[LOAD_BATCH];
	int count;

	for (uint32_t i = 0; i < LOAD_BATCH; i++) {
		parts[i] = (struct iovec){(char *)buffer + i * room, room};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	count = result(recvmmsg(socket, messages, LOAD_BATCH, MSG_WAITFORONE, NULL));
	for (int i = 0; i < count; i++)
		lengths[i] = messages[i].msg_len;
	return count;
}

int load_events(void)
{
	return result(epoll_create1(EPOLL_CLOEXEC));
}

int load_watch(int events, int descriptor)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};

	return result(epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event));
}

int load_wait(int events, int ready[LOAD_BATCH])
{
	struct epoll_event found[LOAD_BATCH];
	int count = result(epoll_wait(events, found, LOAD_BATCH, -1));

	for (int i = 0; i < count; i++)
		ready[i] = found[i].data.fd;
	return count;
}

int load_accept(int listener)
{
	return result(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}
