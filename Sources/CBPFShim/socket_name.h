/* Makes a socket address (ip(7), ipv6(7)) from an address and a port. */
#ifndef RPA_SOCKET_NAME_H
#define RPA_SOCKET_NAME_H

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

union socket_name {
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage any;
};

/* AF_INET uses the first four bytes. Returns the name's length. */
static inline socklen_t write_name(union socket_name *name, int family, const uint8_t address[16],
				   uint16_t port)
{
	memset(name, 0, sizeof(*name));
	if (family == AF_INET) {
		name->v4.sin_family = AF_INET;
		name->v4.sin_port = htons(port);
		memcpy(&name->v4.sin_addr, address, 4);
		return sizeof(name->v4);
	}
	name->v6.sin6_family = AF_INET6;
	name->v6.sin6_port = htons(port);
	memcpy(&name->v6.sin6_addr, address, 16);
	return sizeof(name->v6);
}

#endif
