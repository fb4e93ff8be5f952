/* The kernel's routes (rtnetlink(7)). */
#ifndef RPA_ROUTE_H
#define RPA_ROUTE_H

#include <stdint.h>

/* 1: what is sent to the address from itself stays on this host, by the routes that
 * there are now (RTN_LOCAL), 0: it doesn't, or -errno: -ENETUNREACH: no way at all. */
int rpa_is_local(int family, const uint8_t address[16]);

#endif
