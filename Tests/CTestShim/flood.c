#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/lab_flood.h"

enum { BATCH = 256, MOST = 1400 };

struct packet {
	struct iphdr ip;
	struct udphdr udp;
	char payload[MOST];
} __attribute__((packed));

static void fill(struct packet *packet, uint32_t source, uint16_t port, uint16_t length)
{
	memset(packet, 0, sizeof(packet->ip) + sizeof(packet->udp));
	/* The kernel fills in the rest (raw(7)). A UDP checksum of 0 is none. */
	packet->ip.version = 4;
	packet->ip.ihl = sizeof(packet->ip) / 4;
	packet->ip.ttl = 64;
	packet->ip.protocol = IPPROTO_UDP;
	packet->ip.saddr = htonl(source);
	packet->ip.daddr = htonl(INADDR_LOOPBACK);
	packet->udp.source = htons(4000);
	packet->udp.dest = htons(port);
	packet->udp.len = htons((uint16_t)(sizeof(packet->udp) + length));
}

int lab_flood(uint32_t first, uint32_t count, uint16_t port, uint16_t length)
{
	/* Not thread-local: each of the agent's threads would have it. */
	struct packet *packets;
	struct sockaddr_in target = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct mmsghdr messages[BATCH] = {};
	struct iovec parts[BATCH];
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	uint32_t sent = 0;

	if (raw < 0)
		return -errno;
	packets = calloc(BATCH, sizeof(*packets));
	if (!packets) {
		close(raw);
		return -ENOMEM;
	}
	if (length > MOST)
		length = MOST;
	while (sent < count) {
		uint32_t batch = count - sent < BATCH ? count - sent : BATCH;
		int result;

		for (uint32_t i = 0; i < batch; i++) {
			fill(&packets[i], first + sent + i, port, length);
			parts[i] = (struct iovec){&packets[i],
						  sizeof(packets[i].ip) + sizeof(packets[i].udp) + length};
			messages[i].msg_hdr = (struct msghdr){.msg_name = &target,
							      .msg_namelen = sizeof(target),
							      .msg_iov = &parts[i],
							      .msg_iovlen = 1};
		}
		result = sendmmsg(raw, messages, batch, 0);
		if (result < 0 && errno != ENOBUFS && errno != EINTR) {
			result = -errno;
			free(packets);
			close(raw);
			return result;
		}
		if (result > 0)
			sent += (uint32_t)result;
	}
	free(packets);
	close(raw);
	return (int)sent;
}
