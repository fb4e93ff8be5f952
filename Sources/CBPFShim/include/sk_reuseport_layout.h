/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF program and the agent share: the values of the maps and their
 * limits. bpf/sk_reuseport.c writes and reads them in the kernel, Swift sees
 * them through the module CBPFShim. A change of anything here is a new layout:
 * raise RPA_LAYOUT_VERSION, for pinned maps outlive the agent that made them.
 */
#ifndef SK_REUSEPORT_LAYOUT_H
#define SK_REUSEPORT_LAYOUT_H

#include <linux/types.h>

#define RPA_LAYOUT_VERSION 1

/* Slots of a pool, and so entries of each REUSEPORT_SOCKARRAY. */
#define RPA_MAX_SLOTS 256

/* Bytes of a collector's name. */
#define RPA_MAX_NAME 63

/* Ranked slots of a row. Rank r of a row is the 16 bits from bit 16 * r. */
#define RPA_RANKS 4
#define RPA_NO_SLOT 0xffffu

/* Unit of the times below: nanoseconds of CLOCK_MONOTONIC, shifted right. */
#define RPA_TICK_SHIFT 16

/*
 * Map "slots", one entry a slot, shared by all groups of the pool.
 *
 * The slot is vacant if vacancy != 0 and its low 16 bits are tenancy's. The
 * agent writes tenancy, once for each registration; the program writes vacancy
 * when it finds a socket gone. A late write of the program,
 * that raced with a registration, names the old tenancy and so means nothing:
 * no compare-and-exchange is needed, and neither side ever waits.
 */
struct rpa_slot {
	__u64 tenancy; /* counts registrations; 0: never had a collector */
	__u64 vacancy; /* since_ticks << 16 | low 16 bits of the tenancy seen vacant; 0: none */
};

/* Map "traffic" of a group: per CPU, one entry a slot, and one more in which the
 * agent keeps what slots had counted for collectors that are no more. */
#define RPA_RETIRED_TRAFFIC RPA_MAX_SLOTS

struct rpa_traffic {
	__u64 selected;    /* runs delivered to the slot as a row's owner */
	__u64 failed_over; /* runs delivered to it in place of a better rank */
	__u64 bytes;       /* of both: UDP header and payload, or the SYN's TCP header */
};

/* Map "losses" of a group: per CPU, one entry. Every one of these was dropped. */
struct rpa_losses {
	__u64 held;         /* the exporter's collector is away, within the hold time */
	__u64 no_collector; /* no usable slot in the whole pool */
	__u64 bad_packet;   /* no source address could be read */
};

/* Constants of a loaded program (its .rodata). */
struct rpa_constants {
	__u64 hash_keys[5]; /* see ExporterHash.swift */
	__u64 table_size;   /* rows of the bucket table */
};

/* Map "settings", one entry. The program reads the last word alone. */
struct rpa_settings {
	__u64 layout_version; /* written last when a pool is made: the pins are whole */
	__u64 table_size;
	__u64 seed_fingerprint; /* tells whether the keys are those of a configuration */
	__u64 hold_ticks;       /* how long a vacant slot keeps its exporters */
};

/* Map "tenants", one entry a slot: for the agent alone, to outlive it. */
struct rpa_tenant {
	char name[RPA_MAX_NAME + 1]; /* of the collector, NUL-padded; empty: a free slot */
	__u64 process_start;         /* clock ticks since boot, field 22 of /proc/PID/stat */
	__u32 pid;                   /* owner of the registered sockets; 0: not known */
	__u32 unused;
};

#endif
