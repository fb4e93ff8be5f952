/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The values of the maps that bpf/meter.c and the agent share. */
#ifndef METER_LAYOUT_H
#define METER_LAYOUT_H

#include <linux/types.h>

/* Bits of the class of a byte: external, egress, both or none. */
#define RPA_EXTERNAL 1
#define RPA_EGRESS 2
#define RPA_METER_CLASSES 4

/* Limit of map "internal". */
#define RPA_MAX_INTERNAL 4096

/* Map "meter": one entry for each CPU, one cache line long. Its counters are never set back. */
struct rpa_meter {
	__u64 bytes[RPA_METER_CLASSES]; /* of IP packets with their headers, by class */
	__u64 unused[4];
};

/* Key of map "internal". */
struct rpa_prefix {
	__u32 length;     /* number of leading bits of the address that must match */
	__u8 address[16]; /* IPv4 in its IPv4-mapped form */
};

#endif
