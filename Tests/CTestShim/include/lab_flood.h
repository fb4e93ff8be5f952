/* Traffic from many sources, faster than with one socket for each. */
#ifndef LAB_FLOOD_H
#define LAB_FLOOD_H

#include <stdint.h>

/*
 * Sends count datagrams of length bytes to 127.0.0.1:port, each from another IPv4
 * address: first and those after it (host byte order), whosever they are. Inside a
 * sandbox only. Returns how many were sent.
 */
int lab_flood(uint32_t first, uint32_t count, uint16_t port, uint16_t length);

#endif
